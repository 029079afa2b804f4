// Numbers with the thing they count.
#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "core/names.h"

namespace moesim::core {

/// "1 request", "3 requests", "2 passes".
template <class Integer>
std::string counted(Integer n, std::string_view one) {
  return fmt::format("{} {}{}", n, one, n == Integer{1} ? "" : one.ends_with('s') ? "es" : "s");
}
}  // namespace moesim::core
