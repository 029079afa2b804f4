// The training study: `moesim run` of a scenario with a `training:` section.
#pragma once
#include <string>

#include "results/study.h"

namespace moesim::training {

/// Simulates the scenario's steps GPU by GPU, writes tables and metrics; with `training.run` also the whole run.
results::StudyEnd run_training(results::StudyRun& run);
/// The section's keys, one line each.
std::string training_help();
}  // namespace moesim::training
