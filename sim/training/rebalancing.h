// New places for the experts between training steps: planned from the loads of the last steps, and paid for with the
// time that weights and optimiser state need over the network.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "placement/rebalancing/rebalance.h"
#include "results/results.h"
#include "training/costs.h"
#include "training/loads.h"
#include "training/plan.h"

namespace moesim::training {

/// One plan.  Balancedness: mean over layers of mean over max GPU load, where copies share an expert's load evenly.
struct RebalancePlan {
  double at = 0;                   ///< s of simulated time
  double before = 0, hoped = 0;    ///< of the old placement on the last step's loads; of the new on the window's
  double after = 0;                ///< of the new placement on the last step's loads; 0 while layers are still to move
  double seconds = 0;              ///< the GPUs waited for what moved
  double moved_bytes = 0;          ///< between all GPUs, those that simulated ones stand for included
  std::int64_t moved_experts = 0;  ///< of one replica of the experts
};

class Rebalancing {
 public:
  /// maps: in force, one a MoE layer.  stands_for: GPUs that a simulated one stands for, itself included.
  /// Throws ConfigError at what is wrong in `training.rebalance`.
  Rebalancing(const Config& training, const TrainingPlan& plan, const routing::TrafficSource& source,
              const spec::GroupShape& group, const std::vector<exchange::ExpertMap>& maps, int stands_for);

  /// A step is over: looks at its loads, plans if a look is due and the trigger agrees, and moves what the plan moves:
  /// all at once over the network, nothing else on it, until the last has arrived.  Returns how long that takes.
  Time stepped(std::int64_t step, TrainingLoads& loads, const TrainingCosts& costs, network::Network& network);
  const std::vector<RebalancePlan>& plans() const { return plans_; }

 private:
  Time move(const std::vector<placement::LayerChange>& changes, const TrainingCosts& costs, network::Network& network);

  const TrainingPlan& plan_;
  placement::PlacementProblem problem_;
  Bytes expert_bytes_{};
  int stands_for_ = 1;
  std::optional<placement::Rebalancer> rebalancer_;
  std::vector<RebalancePlan> plans_;
};

/// Sums over all plans under scope `run`, and each plan under `plan:0`, ...
void write_rebalancing(results::Results& results, const Rebalancing& rebalancing);
}  // namespace moesim::training
