// Sections of a plan that every candidate has: what is wrong with one of them is no candidate's layout.
#pragma once
#include "sizing/plan.h"

namespace moesim::sizing {

/// Reads the plan's routing, kernels and network once, as far as they are given.  Throws ConfigError at their place in
/// the plan's file for what no kind of node can have.
void check_shared_sections(const PlanHead& plan, const std::vector<PricedNode>& nodes);
}  // namespace moesim::sizing
