#include "placement/routing_section.h"

#include <fmt/format.h>

#include "routing/default_law.h"

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
  out.config = routing::routing_or_default(run.scenario, model);
  if (!model.moe) return out;
  out.gate = routing::gate_shape(*model.moe);
  return out;
}

void write_default_routing(results::Results& results, std::string_view scope, const Config& scenario,
                           const spec::Model& model) {
  if (!model.moe || scenario.has("routing")) return;
  const routing::DefaultLaw& law = routing::default_law(model);
  const Config section = routing::routing_or_default(scenario, model);
  std::string said = section.at("kind").text();
  for (const std::string& key : section.keys())
    if (key != "kind") said += fmt::format(", {} {}", key, section.at(key).text());
  results.add(
      results::Table::assumption,
      {scope, "routing", said, fmt::format("none is given: the default of gates {}; {}", law.gate, law.source)});
}
}  // namespace moesim::placement
