// The whole runs of mappings on the same nodes: as few of them as show which is best.
#pragma once
#include <vector>

#include "sizing/pretraining/choice.h"

namespace moesim::sizing {

/// By kind and number of nodes: in a group the shortest step is the cheapest, too.
using Group = std::vector<MappingEntry*>;

/// Judges a group whose shortest steps were found by their whole runs, and simulates what else might be better by them,
/// in the order of what their steps take.  What no run of which can be better, or meet the targets, has none.
void settle(const Job& job, const Group& group, int jobs, Choice& out);
}  // namespace moesim::sizing
