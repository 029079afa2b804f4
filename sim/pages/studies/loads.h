// Charts of loads that several studies show: GPUs by layer, unequal experts, bytes between nodes.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pages/charts/charts.h"
#include "pages/page.h"
#include "pages/queries.h"

namespace moesim::pages {

/// Rows (number, number, value) as a matrix of all numbers that occur.
struct Matrix {
  std::vector<int> rows, columns;  // ascending
  std::vector<double> values;      // (rows, columns); NaN: none
};
/// An empty one if it would have more than a million values, as no run's tables do.
Matrix matrix_of(const Rows& rows);
/// Its numbers as names.
std::vector<std::string> names_of(const std::vector<int>& numbers);

struct LoadMap {
  Figure figure;
  double most = 0;                      // the largest load of a GPU over its layer's mean
  std::vector<double> layers, balance;  // mean over max, by layer
};
/// rows: (layer, gpu, load over the layer's mean).  Nothing if there are none, or one GPU alone.
std::optional<LoadMap> load_map(const Rows& rows, std::string aria);

/// What share of the tokens the busiest experts take: one curve a name.  rows: (place from the idlest, share).
/// sql: the queries that gave them.
void add_lorenz(Page& page, const std::vector<std::string>& sql,
                const std::vector<std::pair<std::string, Rows>>& curves);

/// Bytes from node to node, or how to get them.
void add_nodes(Page& page, const Queries& queries);
}  // namespace moesim::pages
