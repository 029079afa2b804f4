// What is thrown for anything that the user can mend.
#pragma once
#include <stdexcept>

namespace moesim {

/// Thrown for anything wrong in a user's file or command; what() is "file:line:column: key.path: problem".
struct ConfigError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
}  // namespace moesim
