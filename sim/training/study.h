// The training study: `moesim run` of a scenario with a `training:` section.
#pragma once
#include <string>

#include "record/study.h"

namespace moesim {

/// Simulates the scenario's steps GPU by GPU, writes tables and metrics; with `training.run` also the whole run.
StudyEnd run_training(StudyRun& run);
/// The section's keys, one line each.
std::string training_help();
}  // namespace moesim
