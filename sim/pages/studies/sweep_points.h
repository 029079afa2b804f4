// The points of a sweep and their figures, for charts of them.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pages/page.h"
#include "pages/queries.h"

namespace moesim::pages {

/// A place on the axes: one run, or one for each seed.
struct Point {
  std::vector<std::string> runs;
  std::string label, problem;
  std::vector<std::string> values;  // in the order of the keys
};
struct Found {
  double value;
  std::string unit;
};
using PointTable = std::map<std::pair<std::string, std::string>, Found>;  // (run, figure)

/// The mean over the point's runs that have the figure; nothing where none has it.
std::optional<Found> mean_of(const Point& point, const std::string& name, const PointTable& table);
bool is_share(std::string_view figure);

/// One figure along a key of numbers, a line for each value of the others; nothing where there is no such key.
std::optional<Figure> along_numbers(const std::string& figure, const std::vector<std::string>& keys,
                                    const std::vector<Point>& points, const PointTable& table);
/// Every point as a line through what was varied and its figures.
void add_parallel(Page& page, const std::vector<std::string>& keys, const std::vector<Point>& points,
                  const std::vector<std::string>& figures, const PointTable& table, const Queries& queries);
}  // namespace moesim::pages
