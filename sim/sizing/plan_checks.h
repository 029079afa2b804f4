// Checks of a plan's candidates, before anything is priced.
#pragma once
#include "sizing/plan.h"

namespace moesim::sizing {
/// Throws ConfigError for what stands in their lists.  at: the candidates.
void check_candidates(const Config& at, const Plan& plan);
/// Throws ConfigError for what cannot be built of the plan's nodes.  size: the section.
void check_built(const Config& size, const Plan& plan);
}  // namespace moesim::sizing
