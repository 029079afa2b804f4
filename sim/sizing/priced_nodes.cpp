// Nodes that may be had, and what they cost.
#include <fmt/format.h>

#include <tuple>

#include "core/paths.h"
#include "core/yaml_line.h"
#include "sizing/plan.h"
#include "spec/catalogue.h"
#include "spec/limits.h"

namespace moesim::sizing {
namespace {
constexpr double kHoursAYear = 8760;

/// USD of a GPU-hour: rented, or bought and powered.
double gpu_hour(const Config& place, const PricedNode& n) {
  const NodeChoice& c = n.choice;
  if (c.purchase < 0) place.fail_below("purchase", fmt::format("must not be negative, got {}", c.purchase));
  for (const char* key : {"years", "power_price", "power_usage"})
    if (place.is_map() && place.has(key) && !(c.purchase > 0))
      place.at(key).fail("has no effect without purchase: it is of an own node");
  if (!(c.power_price >= 0))
    place.fail_below("power_price", fmt::format("must not be negative, got {}", c.power_price));
  if (!(c.power_usage >= 1))
    place.fail_below("power_usage",
                     fmt::format("a building draws at least what its nodes draw: got {}", c.power_usage));
  if (c.price && c.purchase > 0) place.fail_below("purchase", "is another way to say `price`: give one of the two");
  if (c.price && !(c.price->v > 0)) place.fail_below("price", "must be above 0 USD/h");
  if (c.price) return c.price->v;
  if (c.purchase > 0) {
    if (!(c.years > 0)) place.fail_below("years", fmt::format("must be above 0, got {}", c.years));
    const double power = n.node.gpu.power.v * n.node.gpus * 1e-3 * c.power_usage * c.power_price;
    return (c.purchase / (c.years * kHoursAYear) + power) / n.node.gpus;
  }
  if (n.node.gpu.price.v > 0) return n.node.gpu.price.v;
  place.fail(
      fmt::format("no price of {} is known: give price (of a GPU-hour), or purchase, years and power_price of an "
                  "own node",
                  n.node.gpu.name));
}

/// What the price of an own node takes that the plan does not say; "": it says all.
std::string assumed_price(const Config& place, const NodeChoice& c) {
  if (!(c.purchase > 0)) return "";
  std::string out;
  if (!place.has("years")) out = fmt::format("over {:g} years", c.years);
  if (!place.has("power_price"))
    out += fmt::format("{}with power at {:g} USD/kWh", out.empty() ? "" : " and ", c.power_price);
  return out.empty() ? "" : fmt::format("{}: bought {}: the plan does not say", place.place(), out);
}

/// The `gpu` of a node, by its name or written out, followed to where it is said.
Config gpu_of(const Config& node) {
  if (node.is_map() && node.has("gpu")) return node.at("gpu");
  const std::string above = node.is_map() ? node.at("extends").text() : node.text();
  return gpu_of(Config::load(catalogue_file("hardware", above, "node")));
}

/// The node as a scenario writes it, with what a GPU of it costs here.
std::string priced_text(const Config& node, double gpu_hour) {
  const auto but = [](const Config& map, std::string_view key) {
    std::string out;
    for (const std::string& k : map.keys())
      if (k != key) out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", k, yaml_line(map.at(k)));
    return out;
  };
  const Config gpu = gpu_of(node);
  const std::string rest = node.is_map() ? but(node, "gpu") : "extends: " + yaml_line(node);
  return fmt::format("{{{}, gpu: {{{}, price: {} USD/h}}}}", rest,
                     gpu.is_map() ? but(gpu, "price") : "extends: " + yaml_line(gpu), gpu_hour);
}
}  // namespace

PricedNode read_priced_node(const Config& item) {
  PricedNode out;
  if (item.is_map())
    item.parse(out.choice);
  else
    out.choice.node = item;
  out.node = spec::read_node(out.choice.node);
  out.text = yaml_line(out.choice.node);
  if (out.choice.most < 1) item.fail_below("nodes", fmt::format("must be at least 1, got {}", out.choice.most));
  if (const int most = spec::kMostGpus / out.node.gpus; out.choice.most > most)
    item.fail_below("nodes",
                    fmt::format("expected at most {}, {} GPUs, got {}", most, most * out.node.gpus, out.choice.most));
  out.gpu_hour = gpu_hour(item, out);
  out.assumed = assumed_price(item, out.choice);
  if (out.gpu_hour != out.node.gpu.price.v) out.text = priced_text(out.choice.node, out.gpu_hour);
  return out;
}

void check_different_nodes(const Config& at, const std::vector<PricedNode>& nodes) {
  const auto offer = [](const PricedNode& n) { return std::tie(n.text, n.choice.fabric, n.gpu_hour); };
  for (std::size_t i = 0; i < nodes.size(); ++i)
    for (std::size_t k = 0; k < i; ++k)
      if (offer(nodes[i]) == offer(nodes[k]))
        at.fail_below(fmt::format("nodes[{}]", i), fmt::format("is the same as nodes[{}], at the same price", k));
}
}  // namespace moesim::sizing
