// Of deployments that cost the same, the one that carries the most load.
#pragma once
#include "sizing/search.h"

namespace moesim::sizing {

/// How much load the cheapest carry, where several cost the same, each with as many instances as its nodes hold: fills
/// `carried` of those that carry most, to an eighth, and `carries_less` of the others that were tried.
/// What was not simulated because something else has the same pool of answers may read prompts faster, and is tried as
/// well.
void race_on_load(const Plan& plan, Search& search, int jobs);

/// Times the plan's load; what is known of it orders those that cost the same.  Less than all that is known: not tried.
double load_carried(const Entry& entry);
/// Whether one load is more than another by more than windows tell: an eighth.
bool clearly_more(double load, double than);
}  // namespace moesim::sizing
