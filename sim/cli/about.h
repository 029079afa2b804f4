// What this program is: its version, the commit it was built from, and by what.
#pragma once
#include <string>

namespace moesim::cli {

/// "0.1.0 (commit 1c84cdd0a1b2, GNU 12.2.0, Release)"
std::string about();
}  // namespace moesim::cli
