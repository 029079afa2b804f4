// The values of a JSON document that is read, with errors that name file and key.
#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace moesim::formats {

/// A value of a document that was read; objects keep their keys sorted and find them fast.
using JsonValue = nlohmann::json;

/// One object of a document, which must outlive it.  A null value counts as absent.  Everything throws ConfigError
/// "WHERE: key: problem", or "WHERE: missing key "key"".
class JsonObject {
 public:
  /// where: begins messages: "FILE", "FILE:LINE".  Throws ConfigError "WHERE: expected a JSON object".
  JsonObject(const JsonValue& value, std::string where);
  /// The object at `key`, whose keys messages call "key.its_key".
  JsonObject part(const char* key) const;

  [[noreturn]] void fail(std::string_view key, std::string_view problem) const;
  /// "WHERE: problem"
  [[noreturn]] void fail(std::string_view problem) const;
  const std::string& where() const { return where_; }
  bool has(const char* key) const;
  const JsonValue& at(const char* key) const;
  const JsonValue& list_at(const char* key) const;  // a list of anything

  std::int64_t integer(const char* key, std::int64_t low = INT64_MIN, std::int64_t high = INT64_MAX) const;
  int whole(const char* key) const { return int(integer(key, 0, 1 << 30)); }
  int whole_or(const char* key, int fallback) const { return has(key) ? whole(key) : fallback; }
  /// A count: a whole number in [0, 10^9], also written 12.0.
  int count(const char* key) const;
  double number(const char* key) const;  // finite
  double number_or(const char* key, double fallback) const { return has(key) ? number(key) : fallback; }
  bool has_number(const char* key) const;
  double not_negative(const char* key) const;  // a time
  bool flag_or(const char* key, bool fallback) const;
  std::string text(const char* key) const;
  std::string text_or(const char* key, const std::string& fallback) const { return has(key) ? text(key) : fallback; }
  std::vector<int> list(const char* key) const;
  std::vector<std::string> words(const char* key) const;
  /// Integers of any sign as 64 bits; empty if the key is absent.
  std::vector<std::uint64_t> ids(const char* key) const;

 private:
  const JsonValue* value_;
  std::string where_;
  std::string prefix_;  // "text_config."
};

/// The value as it is written, cut off where it is long.
std::string shown(const JsonValue& value);
/// The value as an integer in [low, high].  Throws ConfigError "WHERE: ..." if it is something else.
std::int64_t integer_of(const JsonValue& value, std::int64_t low, std::int64_t high, std::string_view where);
/// A list of integers in [low, high], appended to `out`.
void append_integers(const JsonValue& list, std::int64_t low, std::int64_t high, std::string_view where,
                     std::vector<std::int32_t>& out);
void append_reals(const JsonValue& list, std::string_view where, std::vector<float>& out);
}  // namespace moesim::formats
