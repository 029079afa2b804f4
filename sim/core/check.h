// The two errors that are not the user's: a broken contract and a broken invariant, both std::logic_error.
#pragma once
#include <fmt/format.h>

#include <stdexcept>
#include <string_view>

#include "core/names.h"

namespace moesim::core {

/// Throws std::logic_error with `what` unless `holds`.  Always on: a wrong result costs more than a branch.
inline void check(bool holds, std::string_view what) {
  if (!holds) [[unlikely]]
    throw std::logic_error(std::string(what));
}
/// The same with a formatted message, built only on failure.
template <class... Args>
requires(sizeof...(Args) > 0) void check(bool holds, fmt::format_string<Args...> format, Args&&... args) {
  if (!holds) [[unlikely]]
    throw std::logic_error(fmt::format(format, std::forward<Args>(args)...));
}
}  // namespace moesim::core
