// What a reader must know before using a service's figures: whether it was steady, and whom they leave out.
#pragma once
#include <string>
#include <vector>

#include "results/results.h"
#include "serving/report/pool_figures.h"

namespace moesim::serving {

/// Whether requests piled up: means over the third and the last quarter of the time in which they arrive are
/// compared.
struct Steadiness {
  bool steady = true;
  bool saturated = false;  ///< not steady, and most of those that piled up wait
  double growth = 0;       ///< share of the arrivals in that time that piled up
  double deviations = 0;   ///< the same in standard deviations of chance; negative where fewer were there
};
Steadiness steadiness(const Window& window);

/// Rows of table `warning` for whatever holds.
void write_warnings(results::Results& results, const Deployment& deployment, const Service& service,
                    const Steadiness& steadiness, const std::vector<PoolFigures>& figures);
}  // namespace moesim::serving
