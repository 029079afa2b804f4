// The study behind a scenario's `serving` section.
#pragma once
#include <string>

#include "record/study.h"

namespace moesim {

/// Serves the scenario's requests and writes what came of them.
StudyEnd run_serving(StudyRun& run);
/// The section's keys, defaults and meaning, and those of a pool.
std::string serving_help();
}  // namespace moesim
