#include "runs/studies.h"

#include <vector>

#include "serving/run_serving.h"
#include "passes/passes.h"
#include "placing/place_study.h"
#include "training/study.h"

namespace moesim::runs {

std::span<const StudyEntry> studies() {
  static const std::vector<StudyEntry> table = {
      {"place", "expert placements compared", run_place, place_help, nullptr},
      {"passes", "prefill passes and decode steps of one expert-parallel group", run_passes, help_of<passes::PassesShape>,
       check_passes},
      {"training", "steps of pretraining a model, and whole runs", run_training, training_help, nullptr},
      {"serving", "requests served by prefill and decode instances: latencies, throughput, cost", run_serving,
       serving_help, nullptr},
  };
  return table;
}
}  // namespace moesim::runs
