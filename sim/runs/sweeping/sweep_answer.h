// What a sweep prints.
#pragma once
#include <string>
#include <vector>

#include "runs/sweeping/points.h"

namespace moesim::runs {

/// A row a point; where several seeds were run, a row a place, with means and their 95 % confidence intervals over the
/// seeds that could be run.  mine: the points of this process, ascending.
std::string sweep_text(const Sweep& sweep, const std::vector<Point>& points, const std::vector<int>& mine);
/// The same as one JSON object: {"title", "points": [{"point", "values": {key: text}, "metrics": {name: {"value" or
/// "mean" and "half_width", "unit"}}, "seeds", "problems"}]}, figures in SI units.
std::string sweep_json(const Sweep& sweep, const std::vector<Point>& points, const std::vector<int>& mine);
}  // namespace moesim::runs
