// The study behind a scenario's `serving` section.
#pragma once
#include <vector>

#include "core/key_help.h"
#include "results/study.h"

namespace moesim::serving {

/// Serves the scenario's requests and writes what came of them.
results::StudyEnd run_serving(results::StudyRun& run);
/// The section's keys.
std::vector<KeyHelp> serving_keys();
}  // namespace moesim::serving
