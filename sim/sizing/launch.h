// A deployment as the commands that start it.
#pragma once
#include <string>

#include "sizing/design.h"

namespace moesim::sizing {
/// What stands before pools that do one job each; Dynamo's workers take their engine's options.
std::string front_text(const Deployment& deployment);
/// A command for each of a pool's instances that lie on other GPUs of their nodes; what the engine has no option for is
/// a comment.
std::string launch_text(const Plan& plan, const Deployment& deployment);
}  // namespace moesim::sizing
