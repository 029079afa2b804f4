// The points of a sweep.
#pragma once
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runs/scenario.h"
#include "runs/sweeping/section.h"
#include "runs/sweeping/sweep_rows.h"

namespace moesim::runs {

/// One point, to be run, run or refused.
struct Point {
  std::vector<std::string> values, places;       // one an axis: what it takes, and where that is written
  std::string problem;                           // why it could not be run, or empty
  bool fault = false;                            // the problem is ours
  std::map<std::string, std::vector<Row>> rows;  // by table
  std::vector<std::optional<double>> shown;      // one a metric that is shown; nothing: the run does not know it
};

/// In the design's order, every seed of a place before the next place.
/// Throws ConfigError at `vary` if there are too many.
std::vector<Point> points_of(const Sweep& sweep);

/// Those whose scenarios are looked at before a sweep begins: all, if there are few; else the first of a grid with the
/// single steps from it along each axis, or an even selection of what was drawn.
std::vector<std::size_t> points_to_look_at(const Sweep& sweep, std::size_t points);

Scenario scenario_of(const Sweep& sweep, const Point& point);
}  // namespace moesim::runs
