// What may be built: pools of instances on nodes of one kind, as a scenario describes them.
#pragma once
#include <string>
#include <vector>

#include "serving/deployment/layout.h"
#include "serving/instance/instance_shape.h"
#include "sizing/plan.h"

namespace moesim::sizing {

/// Equal instances, but for their number.
struct PoolDesign {
  serving::Role role = serving::Role::both;
  int tensor = 1, data = 1, pipeline = 1;
  bool experts_tensor = false;
  int slots = 0;  // of routed experts; 0: dense
  int batch = 256, tokens = 8192;
  serving::OverlapKind overlap = serving::OverlapKind::none;
  Variant variant{};
  int gpus() const { return tensor * data * pipeline; }
  int stage_gpus() const { return tensor * data; }
  bool operator==(const PoolDesign&) const = default;
};

/// Pools with their instances, on one kind of node, run by one engine.
struct Deployment {
  const PricedNode* node = nullptr;
  std::string engine;
  std::vector<PoolDesign> pools;
  std::vector<int> instances;
  /// GPUs that are paid for: nodes are whole, and shared by all instances that fit.
  int gpus() const;
  /// The first GPU of each instance of each pool, as serving lays them out: those of a pool over as many nodes as are
  /// paid for, no instance of less than a node across two.
  serving::Places places() const;
  /// Whether that is another layout than one pool after the other.
  bool is_spread() const;
  int nodes() const { return gpus() / node->node.gpus; }
  double cost_per_hour() const { return gpus() * node->gpu_hour; }
  double power() const { return gpus() * node->node.gpu.power.v; }
};

/// "TP2 DP2 EP4"; "1 GPU"
std::string way_of(const PoolDesign& design);
/// "decode 2 x EP32 (DP32), batch 128"
std::string text_of(const PoolDesign& design, int instances);
std::string text_of(const Deployment& deployment);
/// "hgx-h800"
std::string node_name(const PricedNode& node);

/// How long a scenario runs, and under which load.
struct Trial {
  double load = 1;    // times the plan's
  double length = 1;  // of prompts and answers, times the plan's
  Time duration{}, warmup{};
  bool bare = false;         // one pool to be priced: steps without the host's time, requests without an objective
  std::string faults{};      // a line of YAML; "": none
  double burstiness = 0;     // standard deviation of the gaps between arrivals over their mean; 0: the plan's own
  std::string routing{};     // a line of YAML; "": the plan's own
  bool unfolded = false;     // every instance is simulated, none stands for others
  Time start_up{};           // of an instance that is lost
  std::string planned_on{};  // what experts are placed on, a line of YAML; "": the very loads that are served
};
/// Whether its experts are placed by a strategy: they are several GPUs' whole ones.
bool is_placed(const PoolDesign& design, const spec::Model& model);
/// Whether the plan's arrivals are drawn from a rate, so that they may come in bursts.
bool has_gaps(const Plan& plan);
/// Whether equal instances may stand for each other: not where requests wait for others to end, since clients and
/// places among those under way are shared by all instances.
bool can_fold(const Plan& plan);
/// The plan's model of so many layers, a line of YAML; the plan names its model.
std::string shortened_model(const Plan& plan, int layers);
/// The whole scenario, ready to run.  layers: of the model instead of all of them; 0: all.
std::string scenario_text(const Plan& plan, const Deployment& deployment, const Trial& trial, int layers = 0);
}  // namespace moesim::sizing
