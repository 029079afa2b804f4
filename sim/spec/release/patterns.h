// Lists of modules as quantised releases write them: names, names with stars, and regular expressions ("re:...").
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "spec/release/keys.h"

namespace moesim::spec {

/// Whether a tensor is named by a list.  Names of a release and of its list begin differently ("model.",
/// "language_model."
/// ...): both lose such beginnings before they are held against each other.
class ModulePatterns {
 public:
  ModulePatterns();
  ~ModulePatterns();
  ModulePatterns(ModulePatterns&&) noexcept;
  ModulePatterns& operator=(ModulePatterns&&) noexcept;

  /// Throws ConfigError through `keys`, naming `key`, for a regular expression that is none.
  void add(const std::string& pattern, const Keys& keys, std::string_view key);
  bool empty() const;
  /// Whether it names the tensor's module, one that holds it, or all of a kind it is of.
  bool has(const std::string& name) const;

 private:
  struct Lists;
  std::unique_ptr<Lists> lists_;
};
}  // namespace moesim::spec
