#include "formats/json_object.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/config_error.h"
#include "core/utf8.h"

namespace moesim::formats {
namespace {
[[noreturn]] void refuse(std::string_view where, std::string_view expected, const JsonValue& value) {
  throw ConfigError::placed(fmt::format("{}: expected {}, got {}", where, expected, shown(value)));
}
void check_list(const JsonValue& list, std::string_view expected, std::string_view where) {
  if (!list.is_array()) throw ConfigError::placed(fmt::format("{}: expected {}", where, expected));
}

/// The integer in [low, high] that the value is, if it is one; beyond 64 bits counts as the largest.
std::optional<std::int64_t> integer_in(const JsonValue& value, std::int64_t low, std::int64_t high) {
  if (!value.is_number_integer()) return std::nullopt;
  const bool beyond = value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t(INT64_MAX);
  const std::int64_t out = beyond ? INT64_MAX : value.get<std::int64_t>();
  return out < low || out > high ? std::nullopt : std::optional(out);
}
}  // namespace

std::string shown(const JsonValue& value) {
  // what cannot be written as UTF-8 is shown with replacements
  const std::string text = value.dump(-1, ' ', false, JsonValue::error_handler_t::replace);
  return text.size() > 60 ? fmt::format("{:.60}...", text) : text;
}

std::int64_t integer_of(const JsonValue& value, std::int64_t low, std::int64_t high, std::string_view where) {
  if (const auto out = integer_in(value, low, high)) return *out;
  refuse(where, value.is_number_integer() ? fmt::format("{} to {}", low, high) : "an integer", value);
}

void append_integers(const JsonValue& list, std::int64_t low, std::int64_t high, std::string_view where,
                     std::vector<std::int32_t>& out) {
  check_list(list, "a list of integers", where);
  for (const JsonValue& v : list) out.push_back(std::int32_t(integer_of(v, low, high, where)));
}

void append_reals(const JsonValue& list, std::string_view where, std::vector<float>& out) {
  check_list(list, "a list of numbers", where);
  for (const JsonValue& v : list) {
    if (!v.is_number()) refuse(where, "numbers", v);
    out.push_back(v.get<float>());
  }
}

JsonObject::JsonObject(const JsonValue& value, std::string where) : value_(&value), where_(std::move(where)) {
  if (!value.is_object()) throw ConfigError::placed(fmt::format("{}: expected a JSON object", where_));
}

JsonObject JsonObject::part(const char* key) const {
  if (!at(key).is_object()) fail(key, fmt::format("expected an object, got {}", shown(at(key))));
  JsonObject out(at(key), where_);
  out.prefix_ = prefix_ + key + ".";
  return out;
}

void JsonObject::fail(std::string_view key, std::string_view problem) const {
  throw ConfigError::placed(one_line(fmt::format("{}: {}{}: {}", where_, prefix_, key, problem)));
}

void JsonObject::fail(std::string_view problem) const {
  const std::string_view path = std::string_view(prefix_).substr(0, prefix_.size() - !prefix_.empty());
  throw ConfigError::placed(one_line(fmt::format("{}: {}{}{}", where_, path, path.empty() ? "" : ": ", problem)));
}

bool JsonObject::has(const char* key) const {
  const auto found = value_->find(key);
  return found != value_->end() && !found->is_null();
}

const JsonValue& JsonObject::at(const char* key) const {
  const auto found = value_->find(key);
  if (found == value_->end() || found->is_null()) fail(fmt::format("missing key \"{}\"", key));
  return *found;
}

const JsonValue& JsonObject::list_at(const char* key) const {
  const JsonValue& v = at(key);
  if (!v.is_array()) fail(key, fmt::format("expected a list, got {}", shown(v)));
  return v;
}

std::int64_t JsonObject::integer(const char* key, std::int64_t low, std::int64_t high) const {
  const JsonValue& v = at(key);
  if (const auto out = integer_in(v, low, high)) return *out;
  return integer_of(v, low, high, fmt::format("{}: {}{}", where_, prefix_, key));  // refuses it
}

int JsonObject::count(const char* key) const {
  const double value = number(key);
  if (value != std::floor(value)) fail(key, fmt::format("expected a whole number, got {}", value));
  if (value < 0) fail(key, fmt::format("must not be negative, got {}", value));
  if (value > 1e9) fail(key, fmt::format("is beyond 10^9, got {}", value));
  return int(value);
}

double JsonObject::number(const char* key) const {
  const JsonValue& v = at(key);
  if (!v.is_number() || !std::isfinite(v.get<double>())) fail(key, fmt::format("expected a number, got {}", shown(v)));
  return v.get<double>();
}

bool JsonObject::has_number(const char* key) const { return has(key) && at(key).is_number(); }

double JsonObject::not_negative(const char* key) const {
  const double value = number(key);
  if (value < 0) fail(key, fmt::format("a time must not be negative, got {}", value));
  return value;
}

bool JsonObject::flag_or(const char* key, bool fallback) const {
  if (!has(key)) return fallback;
  if (!at(key).is_boolean()) fail(key, fmt::format("expected true or false, got {}", shown(at(key))));
  return at(key).get<bool>();
}

std::string JsonObject::text(const char* key) const {
  const JsonValue& v = at(key);
  if (!v.is_string()) fail(key, fmt::format("expected text, got {}", shown(v)));
  return v.get<std::string>();
}

std::vector<int> JsonObject::list(const char* key) const {
  std::vector<int> out;
  for (const JsonValue& v : list_at(key))
    out.push_back(int(integer_of(v, INT32_MIN, INT32_MAX, fmt::format("{}: {}{}", where_, prefix_, key))));
  return out;
}

std::vector<std::string> JsonObject::words(const char* key) const {
  std::vector<std::string> out;
  for (const JsonValue& v : list_at(key)) {
    if (!v.is_string()) fail(key, fmt::format("expected words, got {}", shown(v)));
    out.push_back(v.get<std::string>());
  }
  return out;
}

std::vector<std::uint64_t> JsonObject::ids(const char* key) const {
  std::vector<std::uint64_t> out;
  if (!has(key)) return out;
  for (const JsonValue& v : list_at(key)) {
    if (!v.is_number_integer()) fail(key, fmt::format("expected integers, got {}", shown(v)));
    out.push_back(v.get<std::uint64_t>());
  }
  return out;
}
}  // namespace moesim::formats
