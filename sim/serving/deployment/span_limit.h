// How many spans a service keeps for a timeline.
#pragma once
#include <cstddef>

namespace moesim::serving {

inline constexpr std::size_t kMostSpans = 250'000;  // about 35 MB of JSON
}  // namespace moesim::serving
