// The study behind a scenario's `serving` section.
#pragma once
#include <string>

#include "results/study.h"

namespace moesim::serving {

/// Serves the scenario's requests and writes what came of them.
results::StudyEnd run_serving(results::StudyRun& run);
/// The section's keys, defaults and meaning, and those of a pool.
std::string serving_help();
}  // namespace moesim::serving
