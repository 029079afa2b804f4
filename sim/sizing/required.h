// Checks that the plan requires of its answer: what misses one makes way.
#pragma once
#include "sizing/search.h"

namespace moesim::sizing {

/// Deployments in turn that may fall by a required check, after which the first of them stays the answer.
constexpr std::size_t kMostUnheld = 12;

/// Where the winner misses a check that the plan requires it falls, with the reason, and comes again with as many
/// instances more as hold all of them, if these may be had; whatever cost too much beside it may now be better.  False:
/// the winner stands.
bool makes_way(const Plan& plan, Search& search, int jobs);
/// Where nothing holds all of them: the first that fell, the cheapest that meets the targets, is the answer.  A winner
/// there may be misses the targets on most seeds.
void choose_unheld(Search& search);
/// "2 deployments that meet the targets fell by what the plan requires: lost node: ..."; "": none did.
std::string unheld_text(const Plan& plan, const Search& search);
}  // namespace moesim::sizing
