#include "placement/section.h"

#include <fmt/format.h>

#include "core/check.h"
#include "core/paths.h"
#include "placement/from_trace.h"
#include "placement/placement.h"

namespace moesim::placement {
namespace {
Loads planning_loads(const spec::Model& model, const routing::TrafficSource& source) {
  Loads out;
  out.name = "routing";
  out.experts = model.moe->experts;
  out.hidden_layers = model.layers;
  out.layers = model.moe_layers();
  out.counts.resize(out.layers.size() * std::size_t(out.experts));
  for (std::size_t i = 0; i < out.layers.size(); ++i)
    source.shares(out.layers[i], 0,
                  std::span(out.counts).subspan(i * std::size_t(out.experts), std::size_t(out.experts)));
  return out;
}

bool uneven(const PlacementSection& section) { return !section.gpu_slots.empty() || !section.gpu_speed.empty(); }

ModelPlacement from_file(const Config& config, const PlacementSection& section, const spec::Model& model,
                         const spec::GroupShape& group) {
  if (section.has_strategy || section.slots != 0 || section.groups != 0 || uneven(section))
    config.fail("a placement comes from a file or from a strategy, not from both");
  ModelPlacement out = load_placement(section.file.path, {group.gpus, model.moe->experts, model.moe_layers()});
  if (!out.maps.empty() && out.maps.front().gpus != group.gpus)
    config.fail(fmt::format("{} places experts on {} GPUs, but the group has {}", section.file.name,
                            out.maps.front().gpus, group.gpus));
  return out;
}
}  // namespace

exchange::ReplicaSpec read_replica_choice(const Config& scenario) {
  const Config config = scenario.at_or_empty("placement");
  return config.is_map() && config.has("replica_choice") ? exchange::ReplicaSpec(config.at("replica_choice"))
                                                         : exchange::ReplicaSpec();
}

ModelPlacement read_placement(const Config& scenario, const spec::Model& model, const spec::GroupShape& group,
                              const routing::TrafficSource* source) {
  ModelPlacement out;
  const Config config = scenario.at_or_empty("placement");
  PlacementSection section;
  if (config.is_scalar()) {
    section.strategy = config;
    section.has_strategy = true;
  } else {
    config.parse(section);
    section.has_strategy = config.has("strategy");
    for (const auto& [key, number] : {std::pair("slots", section.slots), std::pair("groups", section.groups)})
      if (number < 0) config.fail_below(key, fmt::format("must not be negative, got {}", number));
  }
  if (!model.moe) {
    if (scenario.has("placement"))
      config.fail(fmt::format("{} is a dense model: it has no experts to place", model.name));
    return out;
  }
  if (!section.file.name.empty()) return from_file(config, section, model, group);

  const int experts = model.moe->experts;
  out.layers = model.moe_layers();
  out.hidden_layers = model.layers;
  out.nodes = group.nodes();
  if (!section.has_strategy && section.slots == 0 && !uneven(section)) {
    out.strategy = "contiguous";
    for ([[maybe_unused]] int layer : out.layers) out.maps.push_back(exchange::contiguous_map(experts, group.gpus));
    return out;
  }
  PlacementProblem problem;
  problem.gpus = group.gpus;
  problem.nodes = group.nodes();
  problem.gpu_slots = section.gpu_slots;
  problem.gpu_speed = section.gpu_speed;
  problem.slots = section.slots > 0 || !section.gpu_slots.empty() ? section.slots : std::max(experts, group.gpus);
  problem.groups = section.groups > 0 ? section.groups : model.moe->groups;
  problem = config.placed([&] { return checked(problem, experts); });
  const auto strategy = section.has_strategy ? placements().make(section.strategy)
                                             : placements().make_or(config, "strategy", "contiguous");
  out.strategy = section.has_strategy
                     ? (section.strategy.is_scalar() ? section.strategy.text() : section.strategy.at("kind").text())
                     : "contiguous";
  check(source != nullptr, "a strategy for {} plans from no routing", model.name);
  const Loads plan_on = planning_loads(model, *source);
  const std::optional<RoutingSample> sample = sample_of_source(*source, plan_on.layers, model.moe->top_k);
  const Config& chosen = section.has_strategy ? section.strategy : config;
  out.maps = chosen.placed([&] {
    return plan(*strategy, {.loads = plan_on,
                            .problem = problem,
                            .sample = sample ? &*sample : nullptr,
                            .replica_choice = read_replica_choice(scenario)});
  });
  return out;
}
}  // namespace moesim::placement
