// What recorded loads say of the law `grouped`: its parameters, and how alike two recordings are.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace moesim::routing {

/// Loads of some layers, (layers, experts) row-major, none negative, in the order of the model's layers; the experts of
/// a group lie side by side.
struct GroupedLoads {
  std::span<const double> counts;
  int experts = 0, groups = 1;
  std::size_t layers() const { return counts.size() / std::size_t(experts); }
  std::span<const double> layer(std::size_t l) const {
    return counts.subspan(l * std::size_t(experts), std::size_t(experts));
  }
};

/// Means over the layers of what makes loads costly, before any placement: experts in order.
struct LoadFigures {
  double max_over_mean = 1, gini = 0;
  double gpu_imbalance = 0, node_imbalance = 0;  // max/mean - 1 of equal consecutive blocks of experts
  double group_variation = 0;                    // standard deviation over mean of the groups' loads
  double within_variation = 0;                   // that of the experts of a group, mean over groups
};
/// gpus and nodes must divide the experts.
LoadFigures load_figures(const GroupedLoads& loads, int gpus, int nodes);

/// The parameters of the law `grouped` (laws/grouped.cpp) that one recording shows, each named as there.  Those of
/// groups are 0 without any.  What samples of so few experts and groups vary by themselves is taken off the variances.
struct GroupedFit {
  double spread = 0, spread_varies = 0;
  double slope = 0, slope_varies = 0, neighbours = 0;
  double group_spread = 0, tilt = 0, taper = 0;
};
/// Experts without any load count as half of the least loaded of their layer.  Needs some load in each layer, 2 layers,
/// and 3 groups if it has any.
GroupedFit fit_grouped(const GroupedLoads& loads);

/// Correlation of the logarithms of the loads within groups, mean over layers: `phases_alike`, `texts_alike` or
/// `steady`, by what the two recordings are of.
double alike(const GroupedLoads& a, const GroupedLoads& b);

/// How steep the layers of two recordings are, in slope: 1 - the mean square of what they differ by over twice the
/// variance of the law's; unlike a correlation it falls where all layers are steeper.  What is left after `alike` said
/// what follows the text is `layers_steady`.  1 without groups, or where slopes do not vary.
double slopes_alike(const GroupedLoads& a, const GroupedLoads& b);

/// `jump`: the size, over the spread, of the jumps in which single experts' loads become the others', from the excess
/// of the fourth moment of what one recording does not explain of the other, mean of both ways; 0 if that is normal.
double jump_between(const GroupedLoads& a, const GroupedLoads& b);
}  // namespace moesim::routing
