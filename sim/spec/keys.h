// Keys of catalogue entries whose field lists stand beside their readers alone.
#pragma once
#include <vector>

#include "core/key_help.h"

namespace moesim::spec {

/// Of a cluster; node and fabric are entries of their own.
std::vector<KeyHelp> cluster_keys();
/// Of a model that is a release's config.json with words beside it.
std::vector<KeyHelp> release_keys();
}  // namespace moesim::spec
