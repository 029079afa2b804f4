// Before a run allocates anything: what it will take, and whether that may be.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/estimate.h"
#include "core/memory.h"
#include "results/span.h"

namespace moesim::spec {
struct Model;
}

namespace moesim::runs {

struct Scenario;

/// What the user allows.
struct Limits {
  std::optional<Bytes> memory;  // else what the machine has
  bool dry_run = false;         // say what it would take, and do nothing
};

// More than the engine can number (core/engine.h: kOrderBits).
constexpr double kMostEvents = 2.5e11;
// Bytes of a timeline that a browser opens at once; 50 MB with its tracks.
constexpr double kMostTimeline = 49e6;
// A sweep's points, each with its values and its row in the table; more would not be looked at.
constexpr double kMostPoints = 1'000'000;

/// "memory  about 3.2 GB, most of it for ...", "events ...", "time ...": a line each.
std::string estimate_text(const Estimate& estimate, const MemoryBound& bound);
/// Throws ConfigError at the value below `config` that makes it so, if the estimate is above the bound or a run's most
/// events.
void refuse_above(const Estimate& estimate, const MemoryBound& bound, const Config& config);
MemoryBound bound_of(const Limits& limits);

/// "about 2.6 MB (24,640 spans)": what a file of what the filter keeps will take, and what becomes of it where that is
/// more than a browser opens.
std::string timeline_text(const Estimate::Spans& all, const results::SpanFilter& filter);

/// The estimate of a scenario's run, its recording included.  spans: kept for a timeline.  What it reads is noted among
/// the scenario's values in force: give it one of its own.
Estimate estimate_of(const Scenario& scenario, bool spans);
/// The estimate of recording `tokens` in `texts` texts, each continued by `decode` tokens.
Estimate recording_estimate(const spec::Model& model, bool synthetic, double tokens, double texts, double decode);

/// Whether the run is to start: true, with a net under its memory and the size of the timeline (if one is asked for)
/// said, or false for a dry run, whose estimate is printed.  Throws ConfigError if it is too large.
bool affordable(const std::string& scenario, const std::vector<Config::Override>& overrides,
                const results::SpanFilter* timeline, const Limits& limits);
/// The same for what is not described by a scenario: messages begin with `subject`, an option.
bool affordable(const Estimate& estimate, const std::string& subject, const Limits& limits);
/// The same for a sweep of `points`, of which `looked_at` are estimated.  point: the scenario of one.  `jobs` of them
/// run at once.
bool affordable_sweep(const Config& sweep, std::size_t points, const std::vector<std::size_t>& looked_at, int jobs,
                      const Limits& limits, const std::function<Scenario(std::size_t)>& point);
}  // namespace moesim::runs
