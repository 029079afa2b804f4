#include "spec/json_values.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/config.h"
#include "core/files.h"

namespace moesim {
namespace {
using Json = nlohmann::json;
}

Values::Values(std::string file, std::shared_ptr<const Json> json, std::string prefix)
    : file_(std::move(file)), json_(std::move(json)), prefix_(std::move(prefix)) {}

Values Values::load(const std::string& file) {
  Json json;
  try {
    json = Json::parse(read_file(file));
  } catch (const Json::parse_error& e) {
    throw ConfigError::placed(fmt::format("{}: not valid JSON at byte {}", file, e.byte));
  } catch (const Json::out_of_range&) {
    throw ConfigError::placed(fmt::format("{}: not valid JSON: a number is too large", file));
  }
  if (!json.is_object()) throw ConfigError::placed(fmt::format("{}: expected a JSON object", file));
  return {file, std::make_shared<const Json>(std::move(json)), ""};
}

Values Values::part(const char* key) const {
  if (!at(key).is_object()) fail(key, fmt::format("expected an object, got {}", at(key).dump()));
  return {file_, std::make_shared<const Json>(at(key)), prefix_ + key + "."};
}

void Values::fail(std::string_view key, std::string_view problem) const {
  throw ConfigError::placed(fmt::format("{}: {}{}: {}", file_, prefix_, key, problem));
}

bool Values::has(const char* key) const { return json_->contains(key) && !json_->at(key).is_null(); }

const Json& Values::at(const char* key) const {
  if (!has(key)) fail(key, "is missing");
  return json_->at(key);
}

int Values::whole(const char* key) const {
  const Json& v = at(key);
  if (!v.is_number_integer()) fail(key, fmt::format("expected an integer, got {}", v.dump()));
  const auto n = v.get<std::int64_t>();
  if (n < 0 || n > (std::int64_t{1} << 30)) fail(key, fmt::format("expected 0 to 2^30, got {}", n));
  return int(n);
}

double Values::number_or(const char* key, double fallback) const {
  if (!has(key)) return fallback;
  if (!at(key).is_number()) fail(key, fmt::format("expected a number, got {}", at(key).dump()));
  return at(key).get<double>();
}

bool Values::has_number(const char* key) const { return has(key) && at(key).is_number(); }

bool Values::flag_or(const char* key, bool fallback) const {
  if (!has(key)) return fallback;
  if (!at(key).is_boolean()) fail(key, fmt::format("expected true or false, got {}", at(key).dump()));
  return at(key).get<bool>();
}

std::string Values::text_or(const char* key, const std::string& fallback) const {
  if (!has(key)) return fallback;
  if (!at(key).is_string()) fail(key, fmt::format("expected a word, got {}", at(key).dump()));
  return at(key).get<std::string>();
}

std::vector<int> Values::list(const char* key) const {
  if (!at(key).is_array()) fail(key, fmt::format("expected a list, got {}", at(key).dump()));
  std::vector<int> out;
  for (const Json& v : at(key)) {
    if (!v.is_number_integer()) fail(key, fmt::format("expected integers, got {}", v.dump()));
    out.push_back(v.get<int>());
  }
  return out;
}

std::vector<std::string> Values::words(const char* key) const {
  if (!at(key).is_array()) fail(key, fmt::format("expected a list, got {}", at(key).dump()));
  std::vector<std::string> out;
  for (const Json& v : at(key)) {
    if (!v.is_string()) fail(key, fmt::format("expected words, got {}", v.dump()));
    out.push_back(v.get<std::string>());
  }
  return out;
}
}  // namespace moesim
