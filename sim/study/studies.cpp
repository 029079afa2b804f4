#include "study/studies.h"

#include <vector>

#include "study/place_study.h"
#include "study/passes.h"
#include "training/study.h"
#include "serving/run_serving.h"

namespace moesim {

std::span<const StudyEntry> studies() {
  static const std::vector<StudyEntry> table = {
      {"place", "expert placements compared", run_place, place_help},
      {"passes", "prefill passes and decode steps of one expert-parallel group", run_passes, help_of<PassesShape>},
      {"training", "steps of pretraining a model, and whole runs", run_training, training_help},
      {"serving", "requests served by prefill and decode instances: latencies, throughput, cost", run_serving,
       serving_help},
  };
  return table;
}
}  // namespace moesim
