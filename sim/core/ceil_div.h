// How many pieces of a size it takes.
#pragma once
#include <concepts>
#include <type_traits>

#include "core/names.h"

namespace moesim::core {

/// a / b rounded up, in the type of a.  a >= 0, b > 0, and a + b within the type.
template <std::integral T>
constexpr T ceil_div(T a, std::type_identity_t<T> b) {
  return (a + b - 1) / b;
}
}  // namespace moesim::core
