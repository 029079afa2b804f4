// Folding: a few instances that stand for many.
#pragma once
#include "serving/deployment.h"

namespace moesim {

/// How many instances of each pool stand for all of them, and how much of the load they get.
void fold(const Config& scenario, Deployment& d);
}  // namespace moesim
