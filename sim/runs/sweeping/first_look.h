// What a sweep's points tell before any of them runs: keys that no scenario has, and figures that none of them will
// have.
#pragma once
#include <vector>

#include "runs/sweeping/points.h"

namespace moesim::runs {

/// Throws ConfigError for an axis whose key is unknown in every point that can be looked at, and for metrics to show
/// that their study does not write.
void look_at_points(const Sweep& sweep, const std::vector<Point>& points);
}  // namespace moesim::runs
