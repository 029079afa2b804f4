// Improves a placement of one layer by swapping slots and moving copies, as long as that helps.
#pragma once
#include <span>

#include "core/random.h"
#include "placement/placement.h"

namespace moesim::placement {

/// Lowers the time of the slowest GPU: swaps one of its slots with one elsewhere, or turns a spare copy of another
/// expert into one of its own.  Takes the best such step until none helps; at most `steps`.
/// load: (experts).  Copies of one expert stay on different GPUs.
void balance(exchange::ExpertMap& map, const PlacementProblem& problem, std::span<const double> load, int steps);

/// Tries `tries` swaps of two slots drawn at random and keeps those that lower `cost`.
void descend(exchange::ExpertMap& map, std::size_t row, const LayerCost& cost, int tries, Random& random);
}  // namespace moesim::placement
