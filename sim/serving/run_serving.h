// The study behind a scenario's `serving` section.
#pragma once
#include <string>

#include "results/study.h"

namespace moesim::serving {
struct SharedDraws;

/// Serves the scenario's requests and writes what came of them.
results::StudyEnd run_serving(results::StudyRun& run);
/// The same, faster where other deployments have drawn and priced the same steps.
results::StudyEnd run_serving(results::StudyRun& run, const SharedDraws& shared);
/// The section's keys, defaults and meaning, and those of a pool.
std::string serving_help();
}  // namespace moesim::serving
