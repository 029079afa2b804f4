// The `routing` section of a scenario: a distribution, a recorded trace, or text to record one from.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "placement/section.h"
#include "record/study.h"
#include "routing/traffic.h"
#include "spec/model.h"

namespace moesim {

struct RoutingSection {
  Config config;                        // as `make_traffic` reads it
  std::optional<std::string> recorded;  // the trace made for this run, if it was
  RouterShape router;
  std::uint64_t seed = 1;

  /// The source of one phase's traffic; a dense model has none (null).
  std::unique_ptr<TrafficSource> traffic(const GroupShape& group, std::optional<TracePhase> phase) const;
  /// The scenario's placement, planned on this routing's expected load.
  ModelPlacement placement(const Config& scenario, const Model& model, const GroupShape& group) const;
};

/// `routing: {record: {...}}` runs the forward pass now and keeps the trace beside the results.
/// Throws ConfigError if a trace is of another router than the model's.
RoutingSection read_routing(StudyRun& run, const Model& model);
}  // namespace moesim
