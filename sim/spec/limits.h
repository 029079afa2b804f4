// How large what is described may be.
#pragma once

namespace moesim::spec {
// Ten times the largest cluster that has been built, and few enough to be counted as int.
inline constexpr int kMostGpus = 1 << 20;
}  // namespace moesim::spec
