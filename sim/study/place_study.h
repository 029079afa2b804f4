// The study `place`: placements planned and compared on a scenario's cluster.
#pragma once
#include <string>

#include "record/study.h"

namespace moesim {

/// Reads `place`, `model`, `cluster` and, if it names no load files, `routing`.
StudyEnd run_place(StudyRun& run);
/// The section's keys.
std::string place_help();
}  // namespace moesim
