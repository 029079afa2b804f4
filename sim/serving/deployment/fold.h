// Folding: a few instances that stand for many.
#pragma once
#include "serving/deployment/deployment.h"

namespace moesim::serving {

/// Decides how many instances of each pool are simulated, and which part of the load they get.  A simulated instance
/// gets what each of the described ones in service at that moment gets.
void fold(const Config& scenario, Deployment& d);
}  // namespace moesim::serving
