// The study `place`: placements planned and compared on a scenario's cluster.
#pragma once
#include <vector>

#include "core/estimate.h"
#include "core/key_help.h"
#include "results/study.h"

namespace moesim::placing {

/// Reads `place`, `model`, `cluster` and, if it names no load files, `routing`.
results::StudyEnd run_place(results::StudyRun& run);
/// What an estimate counts.
struct PlaceCounts {
  double gpus = 1, slots = 0, experts = 0, layers = 0, top_k = 1;  // slots: of the largest entry tried
  double plans = 1, sample = 0;                                    // strategies x slots x workloads; tokens looked at
};
Estimate estimate(const PlaceCounts& counts);
/// What run_place would take.
Estimate estimate_place(const Config& scenario, bool spans);
/// The section's keys.
std::vector<KeyHelp> place_keys();
}  // namespace moesim::placing
