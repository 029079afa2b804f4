// The best few under several seeds, the same for all: their order, and where it is no more than chance.
#pragma once
#include <functional>
#include <vector>

#include "sizing/search.h"

namespace moesim::sizing {

/// The best few, judged on windows twice as long, until none of them falls.  True if the cheapest is dearer then, or
/// none is left.
/// also: of other entries, to be done meanwhile.
bool settle(const Plan& plan, Search& search, int jobs, const std::vector<std::function<void()>>& also = {});

/// Chooses among the cheapest and its nearest rivals: by cost, of equals by headroom, the mean over the plan's seeds.
/// Fills `s.ranking` and `s.winner`; nothing if no candidate meets the targets.  Entries keep their figures, which are
/// of the plan's own seed.  False where the first misses the targets on most seeds: that is noted, among the entries
/// too, it has an instance more of the pool at fault, and all are to be looked at again.  Where all that may be had
/// have fallen so, or a few in turn, the one that misses on fewest is chosen nevertheless.
bool rank(const Plan& plan, Search& s, int jobs);

/// Whether the order of two that follow each other is no more than chance, by the confidence intervals over seeds: of
/// their headrooms' differences where they cost the same; else of the cheaper one's headroom, which may not be enough,
/// and of the dearer one's, which may be enough with fewer instances.
/// missed: share used of the tightest target in the nearest miss with fewer instances.
bool is_tie(const Ranked& better, const Ranked& worse, bool same_cost, double missed);
}  // namespace moesim::sizing
