// What a planner asks next of an answer: more nodes, other tokens, prices and failures, a target that gives way.
#pragma once
#include <vector>

#include "sizing/pretraining/choice.h"

namespace moesim::sizing {

/// Of a choice with a winner and its run.  More nodes than were tried are simulated; all else is the same steps.
std::vector<NextStep> next_steps(const Job& job, const Choice& choice);
}  // namespace moesim::sizing
