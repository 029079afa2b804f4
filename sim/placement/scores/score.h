// How evenly a placement spreads a load, and how far that is from the best possible.
#pragma once
#include <span>
#include <vector>

#include "placement/placement.h"

namespace moesim::placement {

/// Which copy computes what: copies share evenly; by probabilities that level the GPUs on what was planned from, kept
/// whatever comes; or as a linear programme balances each batch.
enum class Sharing { even, planned, balanced };
constexpr auto enum_names(Sharing) {
  return std::to_array<std::pair<std::string_view, Sharing>>(
      {{"even", Sharing::even}, {"planned", Sharing::planned}, {"balanced", Sharing::balanced}});
}

struct LayerScore {
  int layer = 0;
  double balance = 1;        // mean over max of the GPUs' loads (over their speeds)
  double imbalance = 0;      // max over mean, minus 1
  double slowest = 0;        // the largest load over speed
  double bound = 0;          // lower_bound(): no placement has a lower `slowest`
  std::vector<double> gpus;  // each GPU's load over speed, over their mean; empty where nothing is loaded
};
struct PlacementScore {
  std::vector<LayerScore> layers;
  double balancedness = 1;  // mean of `balance` over the layers
  double imbalance = 0;     // mean of `imbalance` over the layers
  double gap = 0;           // sum of `slowest` over sum of `bound`, minus 1: layers run one after the other
};
/// The share of its expert's rows that each slot takes, one list a map: planned_shares() with Sharing::planned, else
/// empty.
using SlotShares = std::vector<std::vector<double>>;
/// maps: one a row of `loads`.  Throws std::logic_error if they do not fit.
PlacementScore score(const Loads& loads, std::span<const exchange::ExpertMap> maps, const PlacementProblem& problem,
                     Sharing sharing = Sharing::even, const SlotShares& planned = {});
LayerScore score_layer(std::span<const double> load, const exchange::ExpertMap& map, const PlacementProblem& problem,
                       Sharing sharing = Sharing::even, std::span<const double> planned = {});
/// Shares that level the GPUs over all windows at once, least squares (exchange/copy_shares.h).  windows: with the
/// maps' layers.
SlotShares planned_shares(std::span<const Loads> windows, std::span<const exchange::ExpertMap> maps,
                          const PlacementProblem& problem);

/// How skewed the load itself is.
struct Skew {
  double max_over_mean = 1;  // of the experts of a layer, mean over layers
  double gini = 0;           // of the experts of a layer, mean over layers
};
Skew skew(const Loads& loads);
}  // namespace moesim::placement
