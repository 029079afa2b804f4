// A folder of results that appears whole or not at all.
#pragma once
#include <memory>
#include <string>

#include "core/interrupt.h"

namespace moesim::numerics {

/// Filled beside `output` under a random name and renamed to it by keep(); gone if that is never called.
class NewFolder {
 public:
  /// Throws ConfigError if `output` is there already, or cannot be made.
  explicit NewFolder(const std::string& output);
  ~NewFolder();
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  const std::string& path() const { return path_; }
  void keep();

 private:
  std::string output_, path_;
  bool kept_ = false;
  std::unique_ptr<Unfinished> unfinished_;
};
}  // namespace moesim::numerics
