// What the user is told who gives this.
#pragma once
#include <string>
#include <utility>

#include "core/config_error.h"

namespace moesim::test {

/// The message of the ConfigError that f throws, or "accepted".
template <class F>
std::string refusal_of(F&& f) {
  try {
    std::forward<F>(f)();
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "accepted";
}
}  // namespace moesim::test
