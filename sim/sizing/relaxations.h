// What looser targets save.
#pragma once
#include <vector>

#include "sizing/variations.h"

namespace moesim::sizing {

/// Whether a target alone, up to twice as loose, makes a cheaper deployment do: those that have room for the load in
/// closed form, with as many instances as still cost less than the answer, the emptiest few of other layouts, each
/// simulated, and again under the looser target.  What the search simulated is looked up.
Relaxations relax(const Plan& plan, const Search& search, int jobs);
/// As rows beside the variations.
std::vector<Variation> rows_of(const Relaxations& relaxations);
/// "cheapest relaxation: ttft_p90 x 1.5, 4.50 s would save 3.40 USD/h: ...", the least of them, or why none does; "":
/// none was looked for.
std::string text_of(const Relaxations& relaxations, const Deployment& answer);
}  // namespace moesim::sizing
