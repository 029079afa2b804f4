// The training study: `moesim run` of a scenario with a `training:` section.
#pragma once
#include <vector>

#include "core/key_help.h"
#include "results/study.h"

namespace moesim::training {

/// Simulates the scenario's steps GPU by GPU, writes tables and metrics; with `training.run` also the whole run.
results::StudyEnd run_training(results::StudyRun& run);
/// The section's keys.
std::vector<KeyHelp> training_keys();
}  // namespace moesim::training
