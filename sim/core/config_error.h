// What is thrown for anything that the user can mend.
#pragma once
#include <stdexcept>
#include <string>
#include <utility>

#include "core/names.h"

namespace moesim::core {

/// Thrown for anything wrong in a user's file or command; what() is "file:line:column: key.path: problem".
///
/// Who finds a fault often does not know where it was written: a strategy sees its parameters, not the file they came
/// from.  It throws the problem without a place, and Config::placed() further up adds it.
class ConfigError : public std::runtime_error {
 public:
  /// Without a place: a fault of whatever is being built or run.
  explicit ConfigError(const std::string& problem) : std::runtime_error(problem), problem_(problem) {}
  /// Without a place: a fault of the value at `key` ("kv.block") of whatever is being built or run.
  ConfigError(const std::string& key, const std::string& problem)
      : std::runtime_error(key.empty() ? problem : key + ": " + problem), key_(key), problem_(problem) {}
  /// With a place of its own, which `what` starts with: a line of a data file, a file to write, an option.
  static ConfigError placed(const std::string& what) {
    ConfigError out(what);
    out.has_place_ = true;
    return out;
  }

  bool has_place() const { return has_place_; }
  const std::string& key() const { return key_; }  // "" where the fault is nobody's in particular
  const std::string& problem() const { return problem_; }

 private:
  std::string key_, problem_;
  bool has_place_ = false;
};

/// Runs f and returns what it returns; a ConfigError without a place that leaves f is one of the value at `key`.
template <class F>
decltype(auto) at_key(const std::string& key, F&& f) {
  try {
    return std::forward<F>(f)();
  } catch (const ConfigError& e) {
    if (e.has_place()) throw;
    throw ConfigError(e.key().empty() ? key : key + "." + e.key(), e.problem());
  }
}

/// Runs f and returns what it returns; a ConfigError without a place that leaves f gets this one: a file or an option.
template <class F>
decltype(auto) at_place(const std::string& place, F&& f) {
  try {
    return std::forward<F>(f)();
  } catch (const ConfigError& e) {
    if (e.has_place()) throw;
    throw ConfigError::placed(place + ": " + e.what());
  }
}
}  // namespace moesim::core
