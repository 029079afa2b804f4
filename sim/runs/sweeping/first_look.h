// What a sweep's points tell before any of them runs: keys that no scenario has, and figures that none of them will
// have.
#pragma once
#include <vector>

#include "runs/sweeping/points.h"

namespace moesim::runs {

/// Throws ConfigError for an axis or a value set whose key is unknown in every point that can be looked at, and for
/// metrics to show that their study does not write.
void look_at_points(const Sweep& sweep, const std::vector<Point>& points);
/// The same for keys that only the study itself reads: builds what a point describes, which may take what was
/// estimated.
void try_points(const Sweep& sweep, const std::vector<Point>& points);
}  // namespace moesim::runs
