// The training study: `moesim run` of a scenario with a `training:` section.
#pragma once
#include "record/study.h"

namespace moesim {

/// Simulates the scenario's steps GPU by GPU, writes tables and metrics; with `training.run` also the whole run.
StudyEnd run_training(StudyRun& run);
}  // namespace moesim
