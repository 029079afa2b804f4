// The study `place`: placements planned and compared on a scenario's cluster.
#pragma once
#include <string>

#include "results/study.h"

namespace moesim::placing {

/// Reads `place`, `model`, `cluster` and, if it names no load files, `routing`.
results::StudyEnd run_place(results::StudyRun& run);
/// The section's keys.
std::string place_help();
}  // namespace moesim::placing
