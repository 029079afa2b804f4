// Typed access to the values of a JSON object, with errors that name file and key.
#pragma once
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace moesim {

/// One object of a JSON file.  A null value counts as absent.  Everything throws ConfigError "FILE: key: problem".
class Values {
 public:
  static Values load(const std::string& file);
  /// The object at `key`.
  Values part(const char* key) const;

  [[noreturn]] void fail(std::string_view key, std::string_view problem) const;
  bool has(const char* key) const;
  int whole(const char* key) const;  // 0 to 2^30
  int whole_or(const char* key, int fallback) const { return has(key) ? whole(key) : fallback; }
  double number_or(const char* key, double fallback) const;
  bool has_number(const char* key) const;
  bool flag_or(const char* key, bool fallback) const;
  std::string text_or(const char* key, const std::string& fallback) const;
  std::vector<int> list(const char* key) const;
  std::vector<std::string> words(const char* key) const;

 private:
  Values(std::string file, std::shared_ptr<const nlohmann::json> json, std::string prefix);
  const nlohmann::json& at(const char* key) const;
  std::string file_;
  std::shared_ptr<const nlohmann::json> json_;
  std::string prefix_;  // "text_config."
};
}  // namespace moesim
