// Where nothing meets a plan's targets: what comes nearest, and which targets it would do with.
#pragma once
#include <string>

#include "sizing/search.h"

namespace moesim::sizing {

/// A paragraph: by simulation where anything was simulated, else in closed form.
std::string nearest_text(const Plan& plan, const Search& search);
}  // namespace moesim::sizing
