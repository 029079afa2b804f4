// moesim run: reads a scenario, runs the study it describes, checks its expectations, prints the summary.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "results/span.h"
#include "runs/affordable.h"

namespace moesim::runs {

struct RunOptions {
  std::string scenario;                     // file, or name in scenarios/
  std::vector<Config::Override> overrides;  // --set
  std::optional<std::uint64_t> seed;        // else the scenario's `seed`, else 1
  std::string output;                       // database; "" for SCENARIO.db in the current folder
  std::string timeline;                     // Perfetto JSON; "" for none
  results::SpanFilter spans;                // what the timeline and the span table keep
  bool json = false;
  Limits limits;
};

/// Runs one scenario.  Returns 0, or 1 if an expectation failed; throws ConfigError for wrong input.
int run(const RunOptions& options);
}  // namespace moesim::runs
