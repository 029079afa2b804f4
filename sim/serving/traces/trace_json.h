// Fields of a JSON object with errors that name them; for the trace readers' .cpp files only.
#pragma once
#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace moesim {

/// Reads numbers out of one JSON object; `fail` throws and names the row.
class JsonRow {
 public:
  using Fail = std::function<void(std::string_view)>;
  JsonRow(const nlohmann::json& object, Fail fail) : object_(object), fail_(std::move(fail)) {
    if (!object_.is_object()) fail_("expected a JSON object");
  }
  const nlohmann::json& at(const char* key) const {
    const auto found = object_.find(key);
    if (found == object_.end()) fail_(fmt::format("missing key \"{}\"", key));
    return *found;
  }
  bool has(const char* key) const { return object_.contains(key); }
  double number(const char* key) const {
    const nlohmann::json& value = at(key);
    if (!value.is_number() || !std::isfinite(value.get<double>()))
      fail_(fmt::format("{}: expected a number, got {}", key, shown(value)));
    return value.get<double>();
  }
  double not_negative(const char* key) const {
    const double value = number(key);
    if (value < 0) fail_(fmt::format("{}: a time must not be negative, got {}", key, value));
    return value;
  }
  int count(const char* key) const {
    const double value = number(key);
    if (value != std::floor(value)) fail_(fmt::format("{}: expected a whole number, got {}", key, value));
    if (value < 0) fail_(fmt::format("{}: must not be negative, got {}", key, value));
    if (value > 1e9) fail_(fmt::format("{}: is beyond 10^9, got {}", key, value));
    return int(value);
  }
  std::int64_t integer(const char* key) const {
    const nlohmann::json& value = at(key);
    if (!value.is_number_integer()) fail_(fmt::format("{}: expected a whole number, got {}", key, shown(value)));
    return value.get<std::int64_t>();
  }
  std::string text(const char* key) const {
    const nlohmann::json& value = at(key);
    if (!value.is_string()) fail_(fmt::format("{}: expected text, got {}", key, shown(value)));
    return value.get<std::string>();
  }
  /// A list of ids that are not negative; empty if the key is absent.
  std::vector<std::uint64_t> ids(const char* key) const {
    std::vector<std::uint64_t> out;
    if (!has(key)) return out;
    const nlohmann::json& list = at(key);
    if (!list.is_array()) fail_(fmt::format("{}: expected a list of ids", key));
    for (const nlohmann::json& value : list) {
      if (!value.is_number_integer()) fail_(fmt::format("{}: expected whole numbers, got {}", key, shown(value)));
      out.push_back(std::uint64_t(value.get<std::int64_t>()));
    }
    return out;
  }

 private:
  static std::string shown(const nlohmann::json& value) {
    std::string text = value.dump();
    return text.size() > 40 ? text.substr(0, 40) + "..." : text;
  }
  const nlohmann::json& object_;
  Fail fail_;
};
}  // namespace moesim
