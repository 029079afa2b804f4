#include "cli/about.h"

#include <fmt/format.h>

#include "core/files.h"

namespace moesim::cli {
namespace {
#include <moesim_commit.h>
}  // namespace

std::string about() { return fmt::format("{} (commit {}, {})", version(), kCommit, MOESIM_BUILT_BY); }
}  // namespace moesim::cli
