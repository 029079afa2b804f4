// New places for an instance's experts while it serves: looks at what was routed, has the plans made, and moves the
// weights over the ports that its exchanges use.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "placement/rebalancing/rebalance.h"
#include "serving/step/expert_bank.h"
#include "serving/step/port_use.h"

namespace moesim::serving {

struct RebalanceSpec {
  Time interval{};
  std::int64_t window = 1000;
  bool layerwise = false;
  double below = 1;
  Bytes most_bytes{};
  placement::RebalanceCost cost;
  static void fields(auto& f, auto& p) {
    f("interval", p.interval, "time between two plans, if the trigger agrees; 0 s: the placement stays as it is");
    f("window", p.window, "steps whose routing a plan is made from, looked at 16 times");
    f("layerwise", p.layerwise, "weights move layer by layer beside the work; false: the instance waits for all");
    f("below", p.below, "plans only if mean over max GPU load has fallen below this: short for a threshold trigger");
    f("most_bytes", p.most_bytes,
      "weights that one plan may move, what gains most balance a byte first, expert by expert; 0 B: any");
    placement::RebalanceCost::fields(f, p.cost);
  }
};

/// One plan: mean over layers of mean over max GPU load, if rows were exactly in proportion to the loads.  Steps count
/// by their tokens; those since the look before last are the moment.
struct RebalancePlan {
  double at = 0;                 ///< s the instance had worked
  double age = 0;                ///< s since the loads that it is made from, on average
  double before = 0, hoped = 0;  ///< of the old placement on the loads of the moment; of the new on its own loads
  double after = 0;              ///< of the new placement on the loads of the moment
  double seconds = 0, moved_bytes = 0;  ///< time the instance stood still; weights moved
  std::int64_t moved_experts = 0;
};

class Rebalancing {
 public:
  /// How new places are planned; policy and trigger are made for each instance.
  struct Setup {
    RebalanceSpec spec;
    std::function<std::unique_ptr<placement::Placement>()> policy;
    std::function<std::unique_ptr<placement::RebalanceTrigger>()> trigger;
    placement::PlacementProblem problem;
    std::shared_ptr<const placement::RoutingSample> sample;  ///< none if the routing replays no trace
  };
  Rebalancing(Setup setup, Bytes expert_bytes, ExpertBank& bank, PortUse& ports);

  /// A step of so many tokens is over, which came from the sources of routing with these weights: looks at the routing
  /// since the last look when one is due, and lets a layer whose weights have come take effect.
  void stepped(std::int64_t step, std::span<const double> weights, double tokens, double seconds);
  /// Plans now if the trigger agrees.  Returns how long the instance stands still for it; 0 if the weights move beside
  /// the work.
  Time plan(std::int64_t step);
  /// How long the next step is held up by layers that came into force beside the work.
  Time take_stall() { return std::exchange(stall_, {}); }
  /// Begins anew from the placement in force; while `lost`, nothing is planned.
  void restart(bool lost);

  const std::vector<RebalancePlan>& plans() const { return plans_; }
  Bytes expert_bytes() const { return expert_bytes_; }  ///< of one layer
  /// Experts whose weights have moved since the last call, each with its row among the MoE layers.
  std::vector<std::pair<std::size_t, placement::ExpertMove>> take_moves() { return std::exchange(moves_, {}); }

 private:
  std::vector<double> loads_now(std::int64_t step) const;
  void apply(const placement::LayerChange& change);
  void send_next();
  Time standstill(const placement::LayerChange& change) const;
  void finish(std::span<const double> loads);
  void share_anew();
  std::vector<double> shares_of(std::size_t row, const exchange::ExpertMap& map) const;

  Setup s_;
  Bytes expert_bytes_;
  ExpertBank& bank_;
  PortUse& ports_;
  bool lost_ = false;
  std::int64_t last_look_ = -1;              // step
  std::vector<double> since_look_, before_;  // tokens of each source of routing, since the last look and up to it
  std::optional<placement::Rebalancer> rebalancer_;
  std::optional<placement::LayerChange> moving_;
  double planning_ = 0;  // s of planning left, before the weights of `moving_` leave
  Time stall_{};
  double to_send_ = 0;                     // bytes of `moving_` that the busiest port has still to carry
  double now_ = 0;                         // s worked
  std::vector<double> looks_;              // s, when the loads of the window were seen
  std::vector<std::vector<double>> seen_;  // where copies keep shares: rows at each of these looks
  std::vector<double> planned_on_;         // (layers, experts): their sum when the last plan was made
  std::vector<RebalancePlan> plans_;
  std::vector<std::pair<std::size_t, placement::ExpertMove>> moves_;
};
}  // namespace moesim::serving
