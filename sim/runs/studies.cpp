#include "runs/studies.h"

#include <vector>

#include "passes/passes.h"
#include "placing/place_study.h"
#include "serving/deployment/estimate.h"
#include "serving/run_serving.h"
#include "training/plan.h"
#include "training/study.h"

namespace moesim::runs {

std::span<const StudyEntry> studies() {
  static const std::vector<StudyEntry> table = {
      {"place", "expert placements compared", placing::run_place, placing::place_keys, placing::estimate_place,
       nullptr},
      {"passes", "prefill passes and decode steps of one expert-parallel group", passes::run_passes,
       keys_of<passes::PassesShape>, passes::estimate_passes, passes::check_passes},
      {"training", "steps of pretraining a model, and whole runs", training::run_training, training::training_keys,
       training::estimate_training, nullptr},
      {"serving", "requests served by prefill and decode instances: latencies, throughput, cost", serving::run_serving,
       serving::serving_keys, serving::estimate_serving, serving::check_serving},
  };
  return table;
}
}  // namespace moesim::runs
