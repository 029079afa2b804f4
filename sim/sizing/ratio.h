// Pools whose sizes stand in a fixed ratio.
#pragma once
#include <vector>

#include "sizing/search.h"

namespace moesim::sizing {

/// The entry with as many GPUs for prompts to GPUs that decode as ratio says: as many of the smallest such deployment
/// as its closed form needs.
Entry in_ratio(Entry entry, const PoolRatio& ratio);
/// Instances of so many of them.
std::vector<int> units(const Entry& entry, int times);
/// As how many of them the entry is sized, rounded up.
int times_unit(const Entry& entry);
/// The smallest deployment that the entry may come to: an instance of each pool, or of its ratio the fewest.
Deployment smallest_of(const Entry& entry);
/// As minimise(), for an entry with a unit.
bool minimise_in_ratio(const Plan& plan, Entry& entry, double cheapest, const Terms& terms);
}  // namespace moesim::sizing
