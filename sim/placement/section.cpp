#include "placement/section.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/check.h"
#include "core/paths.h"
#include "placement/placement.h"
#include "placement/planned_on.h"

namespace moesim::placement {
namespace {
std::optional<Sharing> sharing_of(const Config& placement) {
  if (!placement.is_map() || !placement.has("sharing")) return std::nullopt;
  return read<Sharing>(placement.at("sharing"));
}

bool uneven(const PlacementSection& section) { return !section.gpu_slots.empty() || !section.gpu_speed.empty(); }

ModelPlacement from_file(const Config& config, const PlacementSection& section, const spec::Model& model,
                         const spec::GroupShape& group) {
  const bool plans = config.has("planned_on") && section.sharing != Sharing::planned;  // else for the shares
  if (section.has_strategy || section.slots != 0 || section.groups != 0 || uneven(section) || plans)
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
  const std::optional<Sharing> sharing = sharing_of(config);
  if (sharing && config.has("replica_choice"))
    config.at("replica_choice").fail("sharing says already which copy computes what: give one of the two");
  if (sharing == Sharing::even) return exchange::ReplicaSpec(Config::from_option("placement.sharing", "round_robin"));
  if (sharing == Sharing::balanced) return exchange::ReplicaSpec(Config::from_option("placement.sharing", "balanced"));
  return config.is_map() && config.has("replica_choice") ? exchange::ReplicaSpec(config.at("replica_choice"))
                                                         : exchange::ReplicaSpec();
}

void refuse_planned_shares(const Config& scenario, std::string_view who) {
  const Config config = scenario.at_or_empty("placement");
  if (sharing_of(config) == Sharing::planned)
    config.at("sharing").fail(
        fmt::format("{} keeps no shares of a plan: even or balanced, or replica_choice instead", who));
}

PlannedShares read_planned_shares(const Config& scenario, const spec::Model& model, const spec::GroupShape& group,
                                  const ServedRouting& served, std::span<const exchange::ExpertMap> maps,
                                  bool copies_come) {
  PlannedShares out;
  const Config config = scenario.at_or_empty("placement");
  if (sharing_of(config) != Sharing::planned) return out;
  if (!copies_come && std::ranges::none_of(maps, exchange::has_copies))
    config.at("sharing").fail(
        fmt::format("no expert has copies to share its rows: give more slots than the {} experts", model.moe->experts));
  PlacementSection section;
  config.parse(section);
  const PlanningLoads from = planning_loads(config, section.planned_on, model, served);
  PlacementProblem problem;
  problem.gpus = group.gpus;
  problem.nodes = group.nodes();
  problem.slots = maps.front().slots();
  problem.gpu_speed = section.gpu_speed;
  out.slots = planned_shares(std::span(&from.loads, 1), maps, problem);
  out.planned = score(from.loads, maps, problem, Sharing::planned, out.slots).balancedness;
  out.even = score(from.loads, maps, problem).balancedness;
  return out;
}

ModelPlacement read_placement(const Config& scenario, const spec::Model& model, const spec::GroupShape& group,
                              const ServedRouting& served) {
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
    if (config.is_map() && config.has("planned_on"))
      config.at("planned_on").fail("experts in order need no plan: give a strategy, or slots for copies");
    out.strategy = "contiguous";
    config.resolve("strategy", out.strategy);
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
  const PlanningLoads plan_on = planning_loads(config, section.planned_on, model, served);
  const Config& chosen = section.has_strategy ? section.strategy : config;
  out.maps = chosen.placed([&] {
    return plan(*strategy, {.loads = plan_on.loads,
                            .problem = problem,
                            .sample = plan_on.sample ? &*plan_on.sample : nullptr,
                            .replica_choice = read_replica_choice(scenario)});
  });
  return out;
}
}  // namespace moesim::placement
