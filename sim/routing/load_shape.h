// How unequal loads are: the figures that describe a list of tokens per expert or per GPU.
#pragma once
#include <span>

namespace moesim::routing {

// Loads: none negative.  Where all are zero, or there is none, nothing is unequal: ratios are 1, the rest 0.
double max_over_mean(std::span<const double> load);
/// Mean over max: 1 when equal, the share of the time that the mean GPU works while the busiest does.
double balance(std::span<const double> load);
/// Standard deviation over mean.
double variation(std::span<const double> load);
/// Gini coefficient: 0 when equal, 1 - 1/n when one has everything.
double gini(std::span<const double> load);
/// What the n largest hold of all.
double share_of_largest(std::span<const double> load, std::size_t n);
/// e to the entropy of the shares: how many equal loads would be as spread out.
double effective_number(std::span<const double> load);
/// Pearson's correlation of two lists of equal length; 0 if one of them does not vary.
double correlation(std::span<const double> a, std::span<const double> b);
}  // namespace moesim::routing
