// Precisions and drafts that a plan lists to choose from.
#pragma once
#include <vector>

#include "sizing/plan.h"

namespace moesim::sizing {

/// Every precision with every kind of drafts that the candidates list, each by itself where there is no list.  Throws
/// ConfigError for what none can have.
std::vector<Variant> read_variants(const Plan& plan);
}  // namespace moesim::sizing
