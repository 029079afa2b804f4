// Of deployments that cost the same, the one that carries the most load.
#pragma once
#include "sizing/search.h"

namespace moesim::sizing {

/// How much load the cheapest carry, where several cost the same, each with as many instances as its nodes hold.  The
/// one that leaves most of its tightest target is asked how much; the others, whether they carry clearly more, on the
/// shortest window, and ever more while some do; the last that do are asked how much.  What was not simulated
/// because something else has the same pool of answers may read prompts faster, and is tried as well.  Fills `carried`
/// of those that were asked how much, and bounds of the others that were tried.
void race_on_load(const Plan& plan, Search& search, int jobs);

/// Times the plan's load, to order those that cost the same: what is known to carry as much as the most, to an eighth,
/// has that; what may comes after it.  0: there was no race.
double load_carried(const Search& search, const Entry& entry);
/// Whether one load is more than another by more than windows tell: an eighth.
bool clearly_more(double load, double than);
}  // namespace moesim::sizing
