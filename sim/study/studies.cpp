#include "study/studies.h"

#include <vector>

#include "study/place_study.h"

namespace moesim {

std::span<const StudyEntry> studies() {
  static const std::vector<StudyEntry> table = {
      {"place", "expert placements compared", run_place, place_help},
  };
  return table;
}
}  // namespace moesim
