// What a placement is planned from, where that is not what it will serve: another moment, phase or text, or a file.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/config.h"
#include "placement/loads.h"
#include "results/results.h"
#include "routing/traffic.h"
#include "spec/model.h"

namespace moesim::placement {

/// `placement: {planned_on: ...}`.
struct PlannedOn {
  DataFile file;
  std::string window;
  std::int64_t step = 0;
  std::optional<routing::TracePhase> phase;
  Config routing;
  static void fields(auto& f, auto& p) {
    f("file", p.file, "trace or counts that were recorded; then nothing but a window is given");
    f("window", p.window, "tokens FIRST:END of that trace alone, either side may be empty; counts have none");
    f("step", p.step, "moment of the routing, as a number of steps; what it serves begins at 0");
    f("phase", p.phase, "tokens of this phase: prefill or decode; default: what it serves, or most of it");
    f("routing", p.routing, "another routing (as the section of that name), such as of another kind of text");
  }
};

/// The routing that a placement will serve, and what another one like it is made from.
struct ServedRouting {
  const routing::TrafficSource* source = nullptr;  // null for a dense model only
  Config section;                                  // that it was made from
  routing::TrafficContext context;
};

/// What to plan from: loads of the model's MoE layers, and tokens where a trace has them.
struct PlanningLoads {
  Loads loads;
  std::optional<RoutingSample> sample;
};
/// config: the section `placement`; without planned_on it is what the placement serves, at step 0.
/// Throws ConfigError if a file does not fit the model.
PlanningLoads planning_loads(const Config& config, const PlannedOn& from, const spec::Model& model,
                             const ServedRouting& served);

/// A row of the table `assumption` that says what a strategy's plan was made from, and why that says less of life than
/// it seems to: the very file that is served, a step of a law that does not move, another phase.  None where no
/// strategy plans.  scenario: what has the section `placement`.
void write_planned_on(results::Results& results, std::string_view scope, const Config& scenario,
                      const ServedRouting& served);
}  // namespace moesim::placement
