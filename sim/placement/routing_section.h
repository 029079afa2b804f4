// The `routing` section of a scenario: a distribution, a recorded trace, or text to record one from.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "placement/section.h"
#include "results/study.h"
#include "routing/traffic.h"
#include "spec/model.h"

namespace moesim::placement {

struct RoutingSection {
  Config config;                        // as `make_traffic` reads it
  std::optional<std::string> recorded;  // the trace made for this run, if it was
  routing::GateShape gate;
  std::uint64_t seed = 1;

  /// The source of one phase's traffic; a dense model has none (null).
  std::unique_ptr<routing::TrafficSource> traffic(const spec::GroupShape& group,
                                                  std::optional<routing::TracePhase> phase) const;
  /// The scenario's placement, planned on this routing's expected load: of one phase, or of all tokens where it serves
  /// both.
  ModelPlacement placement(const Config& scenario, const spec::Model& model, const spec::GroupShape& group,
                           std::optional<routing::TracePhase> phase) const;
};

/// `routing: {record: {...}}` runs the forward pass now and keeps the trace beside the results.
/// Throws ConfigError if a trace is of another gate than the model's.
RoutingSection read_routing(results::StudyRun& run, const spec::Model& model);

/// A row of the table `assumption` that names the law, if the scenario says nothing of its routing.
void write_default_routing(results::Results& results, std::string_view scope, const Config& scenario,
                           const spec::Model& model);
}  // namespace moesim::placement
