// Pieces of SQL that several rooms need.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "results/store.h"

namespace moesim::results {

/// The queries of a file of reports/, each from the "-- " of its title on; they are separated by ";" at a line's end.
/// What has no title is left out.
std::vector<std::string> titled_queries(const std::string& text);

/// Writes the rows of `table` anew in the order of the columns `by`; rows alike there keep theirs.
void sort_rows(Database& db, std::string_view table, std::string_view by);
}  // namespace moesim::results
