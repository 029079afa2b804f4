// The answer tried under what a plan may not think of.
#pragma once
#include "sizing/search.h"

namespace moesim::sizing {

/// The winner with the seeds it was ranked by, with a node lost, with arrivals in bursts, with loads of experts as
/// uneven as those of a service, and with loads that have moved since its experts were placed; on the window that its
/// verdict stands on.  What the plan has already, or cannot have, is left out.
void confirm(const Plan& plan, Search& s, int jobs);
/// The checks that the plan requires, other seeds too, of an entry as it was last simulated.
std::vector<Check> required_checks(const Plan& plan, Entry& entry, int jobs);
}  // namespace moesim::sizing
