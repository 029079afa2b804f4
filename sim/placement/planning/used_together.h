// What a sample of tokens says about experts: which are used by one token in a layer, and from one layer to the next.
#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "placement/placement.h"

namespace moesim::placement {

/// (experts, experts) row-major: tokens that use both experts in the row-th layer; 0 on the diagonal.
std::vector<double> together(const RoutingSample& sample, std::size_t row, int experts);
/// (experts, experts) row-major: [e][f] counts pairs of a choice of e in the row-th layer and of f in the next.
std::vector<double> transitions(const RoutingSample& sample, std::size_t row, int experts);

/// Copies of one layer's experts as a policy spreads them: most loaded first.
struct Copies {
  std::vector<int> expert;
  std::vector<double> weight;  // load of the copy
  std::vector<int> count;      // (experts) copies of each
};
Copies copies_of(std::span<const double> load, const PlacementProblem& problem);

/// Why a sample that was drawn from counts tells nothing.
inline constexpr std::string_view kDealt =
    "experts of a token were dealt, not recorded: nothing is known of what is used together";
/// The sample, or ConfigError: `policy` needs a trace whose tokens were recorded.
const RoutingSample& sample_of(const PlacementInput& input, std::string_view policy);

/// Bins of whole nodes (per_part = GPUs a node) or single GPUs (1): how many slots and what speed each has.
struct Parts {
  std::vector<int> room;
  std::vector<double> speed;
};
Parts parts_of(const PlacementProblem& problem, int per_part);

/// Places copies that have a part each: heaviest first, on the part's GPU that would be done first.
exchange::ExpertMap place_in_parts(const Copies& copies, std::span<const int> part, const PlacementProblem& problem,
                                   int per_part);
}  // namespace moesim::placement
