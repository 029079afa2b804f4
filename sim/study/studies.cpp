#include "study/studies.h"

#include <vector>

#include "study/passes.h"

namespace moesim {

std::span<const StudyEntry> studies() {
  static const std::vector<StudyEntry> table = {
      {"passes", "prefill passes and decode steps of one expert-parallel group", run_passes},
  };
  return table;
}
}  // namespace moesim
