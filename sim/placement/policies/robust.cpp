#include <optional>

#include "placement/planning/hedged_search.h"
#include "placement/planning/outlook.h"
#include "placement/planning/packing.h"
#include "placement/policies/eplb.h"
#include "placement/scores/score.h"

namespace moesim::placement {

enum class RobustObjective { mean, worst };
constexpr auto enum_names(RobustObjective) {
  return std::to_array<std::pair<std::string_view, RobustObjective>>(
      {{"mean", RobustObjective::mean}, {"worst", RobustObjective::worst}});
}

namespace {
// One window does not say how far it is from the next (balance falls by 0.2 between recordings of DeepSeek-V3), and of
// plans that are equally good on it, one layer's differ on the next by some 0.03, by chance alone.  So the published
// balancer's plan is kept, second copies on one GPU and all, unless another is better on this window by more than that
// (means over 58 layers by 0.003).
constexpr double kLeastGainOfOne = 0.03;
constexpr double kLeastStepOfOne = 0.005;  // of the norm, half of the last percent of balance

/// Copies and places for windows to come: balanced on those seen, hedged against what they did not show.
class Robust final : public Placement {
 public:
  struct Params {
    RobustObjective objective = RobustObjective::mean;
    OutlookParams outlook;
    int sweeps = 2;
    static void fields(auto& f, auto& p) {
      f("objective", p.objective, "balance to be expected: mean over the windows, or that of the worst");
      f("common", p.outlook.common,
        "part of what shares stray that follows the differences between the windows; three windows or more tell "
        "themselves");
      f("drift", p.outlook.drift,
        "standard deviation over mean of an expert's share from window to window, where one window is all there is");
      f("sweeps", p.sweeps, "a third of all pairs of GPUs each, at most, between moves of copies");
    }
  };
  explicit Robust(Params p) : p_(p) {
    check_outlook(p.outlook);
    if (p.sweeps < 0 || p.sweeps > 1000)
      throw ConfigError("sweeps", fmt::format("must lie between 0 and 1000, got {}", p.sweeps));
  }

  std::vector<exchange::ExpertMap> place(const PlacementInput& input) const override {
    const std::span<const Loads> given = input.windows.size() > 1 ? input.windows : std::span(&input.loads, 1);
    const std::vector<const Loads*> windows = in_order(given);
    const double common = common_part(windows, p_.outlook);
    const bool one = windows.size() == 1 && p_.outlook.drift == 0 && publishable(input.problem);
    HedgedSearch search(input.loads.experts, input.problem,
                        {.worst = p_.objective == RobustObjective::worst,
                         .sweeps = p_.sweeps,
                         .least_gain = one ? kLeastStepOfOne : 0});
    std::vector<exchange::ExpertMap> out;
    out.reserve(input.loads.rows());
    for (std::size_t row = 0; row < input.loads.rows(); ++row) {
      const LayerOutlook layer = outlook(windows, row, common, p_.outlook);
      std::optional<exchange::ExpertMap> start;
      if (one) start = published(windows[0]->row(row), input.problem);
      out.push_back(start ? better_of(*start, search.improved(*start, layer), layer, input.problem) : search(layer));
    }
    return out;
  }

 private:
  static bool publishable(const PlacementProblem& p) { return p.even() && p.slots % p.gpus == 0; }
  /// The published balancer's placement, if the copies of each expert have a GPU each.
  static std::optional<exchange::ExpertMap> published(std::span<const double> counts, const PlacementProblem& p) {
    exchange::ExpertMap map = empty_map(int(counts.size()), p);
    Eplb(map.experts, p.slots, 1, 1, p.gpus).place(counts, map.slot_to_expert);
    std::vector<int> copies(counts.size(), 0);
    for (const int e : map.slot_to_expert)
      if (++copies[std::size_t(e)] > p.gpus) return std::nullopt;
    return map;
  }
  /// `published`, unless the other is better by what one window can tell.
  static exchange::ExpertMap better_of(const exchange::ExpertMap& published, exchange::ExpertMap other,
                                       const LayerOutlook& layer, const PlacementProblem& p) {
    const auto balance = [&](const exchange::ExpertMap& map) { return score_layer(layer.windows[0], map, p).balance; };
    return balance(other) >= balance(published) + kLeastGainOfOne ? std::move(other) : published;
  }
  Params p_;
};
}  // namespace

Strategy<Placement> robust() {
  return strategy<Robust, Placement>("robust",
                                     "balanced on several windows at once, and hedged against what they did not show");
}
}  // namespace moesim::placement
