// JSON as importers meet it; included by .cpp files only.
#pragma once
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/files.h"
#include "routing/importers/byte_file.h"

namespace moesim {

using Json = nlohmann::json;

/// Throws ConfigError if brackets nest deeper than any recording's: functions that walk a document recurse.
void check_depth(std::string_view text, const std::string& where);
/// Throws ConfigError "WHERE: byte N: is not JSON".
inline Json parse_json(std::string_view text, const std::string& where) {
  check_depth(text, where);
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& e) {
    throw ConfigError(fmt::format("{}: byte {}: is not JSON", where, e.byte));
  } catch (const Json::out_of_range&) {
    throw ConfigError(fmt::format("{}: is not JSON: a number is too large", where));
  }
}
/// A line of a file of JSON lines.
inline Json parse_json_line(const std::string& line, const LineFile& file) {
  check_depth(line, fmt::format("{}:{}", file.file().name(), file.number()));
  Json out = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!out.is_object()) file.fail("expected a JSON object");
  return out;
}
/// The documents of a reply file: a list's elements, one object, JSON lines, or the "data:" lines of a stream.
std::vector<Json> reply_documents(const std::string& file);

/// object[key] as a whole number in [low, high]; throws ConfigError "WHERE: KEY: ...".
inline std::int64_t integer_at(const Json& object, const char* key, std::int64_t low, std::int64_t high,
                               const std::string& where) {
  const auto at = object.find(key);
  if (at == object.end() || !at->is_number_integer())
    throw ConfigError(fmt::format("{}: \"{}\": expected a whole number", where, key));
  const auto v = at->is_number_unsigned() && at->get<std::uint64_t>() > std::uint64_t(INT64_MAX)
                     ? INT64_MAX
                     : at->get<std::int64_t>();
  if (v < low || v > high)
    throw ConfigError(fmt::format("{}: \"{}\": expected {} to {}, got {}", where, key, low, high, v));
  return v;
}
/// A list of whole numbers in [low, high], appended to `out`.
inline void append_integers(const Json& list, std::int64_t low, std::int64_t high, const std::string& where,
                            std::vector<std::int32_t>& out) {
  if (!list.is_array()) throw ConfigError(fmt::format("{}: expected a list of whole numbers", where));
  for (const Json& v : list) {
    if (!v.is_number_integer() || v.get<std::int64_t>() < low || v.get<std::int64_t>() > high)
      throw ConfigError(
          fmt::format("{}: expected whole numbers from {} to {}, got {}", where, low, high, v.dump().substr(0, 40)));
    out.push_back(v.get<std::int32_t>());
  }
}
inline void append_reals(const Json& list, const std::string& where, std::vector<float>& out) {
  if (!list.is_array()) throw ConfigError(fmt::format("{}: expected a list of numbers", where));
  for (const Json& v : list) {
    if (!v.is_number()) throw ConfigError(fmt::format("{}: expected numbers, got {}", where, v.dump().substr(0, 40)));
    out.push_back(v.get<float>());
  }
}
}  // namespace moesim
