// A deployment as the commands that start it.
#pragma once
#include <string>

#include "sizing/design.h"

namespace moesim::sizing {
/// What stands before several instances, and before pools that do one job each; Dynamo's workers take its engine's
/// options.
std::string front_text(const Deployment& deployment);
/// A command for all instances of a pool that lie on the same GPUs of their nodes; what the engine has no option for is
/// a comment.
std::string launch_text(const Plan& plan, const Deployment& deployment);
}  // namespace moesim::sizing
