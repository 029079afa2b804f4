// Rows of results databases, copied from the runs of a sweep into one.
#pragma once
#include <string_view>
#include <vector>

#include "results/results.h"

namespace moesim::runs {

using Row = std::vector<results::Results::Value>;
/// What a sweep keeps of each run.
constexpr std::string_view kSweptTables[] = {"run", "assumption", "warning", "metric", "series", "stage"};

/// All rows of a table.  run > 0: with this number for the run, and without what differs each time (wall time, memory).
std::vector<Row> rows_of(const results::Database& db, std::string_view table, int run);
void insert_rows(results::Database& db, std::string_view table, const std::vector<Row>& rows);
}  // namespace moesim::runs
