#include "core/built.h"

namespace moesim::core {
namespace {
#include <moesim_commit.h>
}  // namespace

std::string_view commit() { return kCommit; }
std::string_view compiler() { return MOESIM_BUILT_BY; }
}  // namespace moesim::core
