// A deployment as the commands that start it.
#pragma once
#include <string>

#include "sizing/design.h"

namespace moesim::sizing {
/// A command a pool, one of its instances; what the engine has no option for is a comment.
std::string launch_text(const Plan& plan, const Deployment& deployment);
}  // namespace moesim::sizing
