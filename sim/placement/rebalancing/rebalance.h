// Re-plans placements while a system runs: when, from which loads, and which layers move at a time.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/units.h"
#include "placement/placement.h"
#include "placement/rebalancing/migration.h"
#include "placement/rebalancing/partial.h"

namespace moesim::placement {

/// Decides when to plan anew.  A system asks it at every look at its loads.
class RebalanceTrigger {
 public:
  virtual ~RebalanceTrigger() = default;
  /// steps: since the last plan (or the start).  plans: made so far.  balancedness: asks for that of the placement in
  /// force on the window's loads, mean over layers of mean over max GPU load; it takes a while.
  virtual bool due(std::int64_t steps, int plans, const std::function<double()>& balancedness) const = 0;
};
/// The family `rebalance`: never, always, periodic, threshold.
const Family<RebalanceTrigger>& rebalance_triggers();

/// What a rebalance takes beside the bytes that it moves; by default nothing.  Published, of the published balancer:
/// SGLang about 1 s of planning on the host (issue 7879, July 2025), vLLM 80 ms and later 10 ms of planning on 8 H100,
/// and 260 ms in all (26 layers, their weights' way included; pull request 28369, November 2025), vLLM-Ascend 1 to 2 ms
/// for each layer beside the work (vllm issue 22246, August 2025).
struct RebalanceCost {
  Time planning{};
  Time layer{};
  static void fields(auto& f, auto& p) {
    f("planning", p.planning,
      "from the loads to a plan, on the host; published: SGLang about 1 s, vLLM 10 to 80 ms (vllm pull 28369)");
    f("layer", p.layer,
      "that all stand still for each layer that changes, beside its weights' way; published: vLLM-Ascend 1 to 2 ms");
  }
};

struct RebalanceParams {
  std::int64_t window = 100;  // steps whose loads are summed
  int layers_at_a_time = 0;   // layers that change after one step; 0: all at once
  double least_gain = 0;      // a layer stays as it is unless its balance grows by more than this
  bool keep_places = true;    // renumber GPUs so that fewer experts move
  Bytes most_bytes{0};        // that one plan may move; 0: any
  static void fields(auto& f, auto& p) {
    f("window", p.window, "steps whose loads are summed");
    f("layers_at_a_time", p.layers_at_a_time, "layers that change after one step; 0: all at once");
    f("least_gain", p.least_gain, "a layer stays unless its balance (mean over max) grows by more than this");
    f("keep_places", p.keep_places, "renumber GPUs so that fewer experts move");
    f("most_bytes", p.most_bytes,
      "weights that one plan may move, what gains most balance a byte first, expert by expert; 0 B: any");
  }
};
/// Throws ConfigError at the key of a value that makes no sense.
void check_rebalance(const RebalanceParams& params);

/// One layer that changes after a step.
struct LayerChange {
  std::size_t row = 0;  // among the rebalancer's layers
  int layer = 0;        // the model's number
  std::vector<ExpertMove> moves;
  Bytes bytes{};  // of all moves
};

/// Follows the loads of a running system.  Usable by serving and training alike: after each step that is looked at call
/// observe(), and where a plan may be made advance(); the changes it returns are in force from then on.
class Rebalancer {
 public:
  /// maps: in force at the start, one a layer.  expert_bytes: weights of one expert in one layer.  sample: tokens of
  /// these layers, for strategies that need some.
  Rebalancer(RebalanceParams params, std::unique_ptr<RebalanceTrigger> trigger, std::unique_ptr<Placement> strategy,
             PlacementProblem problem, std::vector<int> layers, std::vector<exchange::ExpertMap> maps,
             Bytes expert_bytes, std::shared_ptr<const RoutingSample> sample = nullptr);

  /// counts: (layers, experts) row-major, tokens per expert in the step that just ended.  steps: since the last call.
  void observe(std::span<const double> counts, std::int64_t steps = 1);
  /// Plans if the trigger says so (none is asked while a plan is under way), and releases the next layers of a plan.
  std::vector<LayerChange> advance();

  const std::vector<exchange::ExpertMap>& maps() const { return maps_; }
  /// Balancedness of the placement in force on the window's loads; 1 before anything was observed.
  double balancedness() const;
  /// Plans made so far.
  int plans() const { return plans_; }
  std::size_t pending() const { return targets_.size(); }

 private:
  void plan_anew();
  std::vector<Loads> parts_of_window() const;

  RebalanceParams params_;
  std::unique_ptr<RebalanceTrigger> trigger_;
  std::unique_ptr<Placement> strategy_;
  PlacementProblem problem_;
  std::vector<exchange::ExpertMap> maps_;
  Bytes expert_bytes_;
  std::shared_ptr<const RoutingSample> sample_;
  Loads window_;                              // sums over the window
  std::vector<std::vector<double>> history_;  // a ring of the window's steps
  std::size_t next_ = 0;                      // place in the ring
  std::int64_t steps_ = 0;                    // since the last plan
  int plans_ = 0;
  std::vector<PlannedLayer> targets_;  // of the plan under way, next layer last
};

/// Mean over layers of mean over max GPU load, where copies share their expert's load evenly.
/// counts: (layers, experts) row-major.
double balancedness(std::span<const exchange::ExpertMap> maps, const PlacementProblem& problem,
                    std::span<const double> counts);
/// The trigger at the key `trigger` of a section: a kind or a map, by default one that plans at every look.
/// Throws ConfigError at what is wrong.
std::unique_ptr<RebalanceTrigger> read_trigger(const Config& section);
/// Plans once from even loads: what the strategy cannot do at all is refused before the system runs.
/// Throws ConfigError without a place.
void try_out(const Placement& strategy, const PlacementProblem& problem, std::vector<int> layers, int experts,
             const RoutingSample* sample);
}  // namespace moesim::placement
