// How many pieces of a size it takes.
#pragma once
#include <cstdint>

namespace moesim {
constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
}  // namespace moesim
