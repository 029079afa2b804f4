// One way to lay a training step out on GPUs, and all that may be tried.
#pragma once
#include <string>
#include <vector>

#include "sizing/pretraining/job.h"

namespace moesim::sizing {

struct Mapping {
  const PricedNode* node = nullptr;
  int used_of_node = 1;  // GPUs of each node that compute
  int nodes = 1, tensor = 1, context = 1, pipeline = 1, expert = 1, expert_tensor = 1, zero = 1, micro_batch = 1;
  std::string schedule{};  // a line of YAML
  training::RecomputeKind recompute = training::RecomputeKind::none;

  int gpus() const { return nodes * used_of_node; }
  double cost_per_hour() const { return nodes * node->node.gpus * node->gpu_hour; }
  /// Replicas of the dense part, where everything divides.
  int data() const { return gpus() / (tensor * context * pipeline); }
};

/// "TP1 PP16 EP64 DP128, dualpipe, recompute selective"
std::string text_of(const Mapping& mapping);
/// The scenario of one step.
std::string scenario_text(const Job& job, const Mapping& mapping);
/// The same with the whole run, so many nodes in waiting.
std::string run_scenario_text(const Job& job, const Mapping& mapping, int spares);
/// Between two checkpoints of the mapping's run: as the plan says, or sqrt(2 x pause x mean hours between failures of
/// all that may fail), where lost work and saving cost the same.  Source: J. W. Young, CACM 17 (1974), page 530.
double interval_hours(const Job& job, const Mapping& mapping);

/// Numbers of nodes of a kind that are tried.
std::vector<int> node_counts(const Job& job, const PricedNode& node);
/// Whether the numbers of a mapping divide each other.
bool divides(const Job& job, const Mapping& mapping);

/// Every combination whose numbers divide, recomputation still the first; ties nowhere: the order is that of the lists.
std::vector<Mapping> mappings(const Job& job);
}  // namespace moesim::sizing
