#include "placement/routing_section.h"

#include <fmt/format.h>

namespace moesim::placement {

std::unique_ptr<routing::TrafficSource> RoutingSection::traffic(const spec::GroupShape& group,
                                                                std::optional<routing::TracePhase> phase) const {
  if (gate.experts == 0) return nullptr;
  return routing::make_traffic(config, {gate, group, seed, phase});
}

ModelPlacement RoutingSection::placement(const Config& scenario, const spec::Model& model,
                                         const spec::GroupShape& group,
                                         std::optional<routing::TracePhase> phase) const {
  const std::unique_ptr<routing::TrafficSource> source = traffic(group, phase);
  return read_placement(scenario, model, group, {source.get(), config, {gate, group, seed, phase}});
}

RoutingSection read_routing(results::StudyRun& run, const spec::Model& model) {
  RoutingSection out;
  out.seed = run.seed;
  out.config = run.scenario.at_or_empty("routing");
  if (!model.moe) return out;
  out.gate = {model.moe->experts, model.moe->top_k, model.moe->groups, model.moe->groups_used};
  return out;
}
}  // namespace moesim::placement
