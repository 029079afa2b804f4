// The study behind a scenario's `serving` section.
#pragma once
#include <vector>

#include "core/config_error.h"
#include "core/key_help.h"
#include "results/study.h"

namespace moesim::serving {
struct SharedDraws;

/// Thrown where the last request arrives before the warm-up ends.
struct NothingCounts : ConfigError {
  explicit NothingCounts(const ConfigError& error) : ConfigError(error) {}
};

/// Serves the scenario's requests and writes what came of them.
results::StudyEnd run_serving(results::StudyRun& run);
/// The same, faster where other deployments have drawn and priced the same steps.
results::StudyEnd run_serving(results::StudyRun& run, const SharedDraws& shared);
/// Builds what it describes and serves nobody.  Throws ConfigError as run_serving does before the first request; says
/// nothing of a scenario whose routing is to be recorded first.
void check_serving(const Config& scenario);
/// The section's keys.
std::vector<KeyHelp> serving_keys();
}  // namespace moesim::serving
