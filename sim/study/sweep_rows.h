// Rows of results databases, copied from the runs of a sweep into one.
#pragma once
#include <string_view>
#include <vector>

#include "record/results.h"

namespace moesim {

using Row = std::vector<Results::Value>;
/// What a sweep keeps of each run.
constexpr std::string_view kSweptTables[] = {"run", "assumption", "metric", "series", "stage"};

/// All rows of a table.  run > 0: with this number for the run, and without what differs each time (wall time, memory).
std::vector<Row> rows_of(const Database& db, std::string_view table, int run);
void insert_rows(Database& db, std::string_view table, const std::vector<Row>& rows);
}  // namespace moesim
