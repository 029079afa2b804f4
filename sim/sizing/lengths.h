// How many of a plan's requests are longer than something.
#pragma once
#include "sizing/plan.h"

namespace moesim::sizing {

/// Share of the requests that are longer than so many tokens, their answers left out where `prompts`, but not longer
/// than the model's context.
double share_longer(const Plan& plan, bool prompts, std::int64_t tokens);
}  // namespace moesim::sizing
