#include "runs/sweeping/design.h"

#include "runs/affordable.h"

namespace moesim::runs {

const Family<SweepDesign>& designs() {
  static const Family<SweepDesign> family("sweep design",
                                          {grid_design(), list_design(), random_design(), latin_hypercube_design()});
  return family;
}

void check_drawn(const DrawnDesign& design) {
  if (design.points < 1 || double(design.points) > kMostPoints)
    throw ConfigError("points", fmt::format("must be at least 1 and at most {}, got {}", kMostPoints, design.points));
}
}  // namespace moesim::runs
