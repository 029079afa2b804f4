#include "sizing/skew.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "core/yaml_line.h"
#include "routing/traffic.h"

namespace moesim::sizing {
namespace {
/// What says how unequal the experts of a kind of routing are.
struct SkewKeys {
  std::string_view kind;
  std::vector<std::string_view> keys;
  double even = 0;  // the keys' value where all are as likely
};
const std::vector<SkewKeys>& skew_keys() {
  static const std::vector<SkewKeys> all{{"log_normal", {"sigma"}},
                                         {"power_law", {"exponent"}},
                                         {"grouped", {"spread", "slope", "group_spread", "tilt"}},
                                         {"hot_experts", {"factor"}, 1},
                                         {"hot_rank", {"factor"}, 1},
                                         {"rotating_hot_spot", {"factor"}, 1},
                                         {"burst", {"factor"}, 1}};
  return all;
}

double default_of(std::string_view kind, std::string_view key) {
  for (const auto& law : routing::traffics().table())
    for (const KeyHelp& k : law.kind == kind ? law.keys() : std::vector<KeyHelp>{})
      if (k.name == key) return std::strtod(k.fallback.c_str(), nullptr);
  return 0;
}
}  // namespace

bool is_balanced(const Plan& plan) {
  return plan.routing_text.empty() || plan.routing_text.find("balanced") != std::string::npos;
}

std::string with_skew(const Plan& plan, double times) {
  if (plan.routing_text.empty()) return "";
  const Config routing = Config::from_text("routing: " + plan.routing_text, plan.file).at("routing");
  if (!routing.is_scalar() && !routing.has("kind")) return "";
  const std::string kind = routing.is_scalar() ? routing.text() : routing.at("kind").text();
  const auto at = std::ranges::find(skew_keys(), kind, &SkewKeys::kind);
  if (at == skew_keys().end()) return "";
  const auto is_skew = [&](const std::string& key) { return std::ranges::find(at->keys, key) != at->keys.end(); };
  std::string out = "{kind: " + kind;
  if (routing.is_map())
    for (const std::string& key : routing.keys())
      if (key != "kind" && !is_skew(key)) out += fmt::format(", {}: {}", key, yaml_line(routing.at(key)));
  for (const std::string_view key : at->keys) {
    double value = default_of(kind, key);
    if (routing.is_map() && routing.has(key)) routing.at(key).parse(value);
    out += fmt::format(", {}: {}", key, at->even + (value - at->even) * times);
  }
  return out + "}";
}
}  // namespace moesim::sizing
