// The study behind a scenario's `serving` section.
#pragma once
#include "record/study.h"

namespace moesim {

/// Serves the scenario's requests and writes what came of them.
StudyEnd run_serving(StudyRun& run);
}  // namespace moesim
