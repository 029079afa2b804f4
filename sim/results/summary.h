// Prints answers for people: values with units chosen by size, and the queries kept in reports/*.sql as tables.
#pragma once
#include <string>
#include <string_view>

#include "results/store.h"
#include "results/text_table.h"

namespace moesim::results {

/// "1.53 ms", "24.1 GB", "3.21 k tokens/s": three significant digits and a prefix chosen by size.
/// unit: as stored with a metric (s, B, B/s, FLOP/s, tokens/s, J, USD, ... or "" for a plain number).
std::string pretty(double value, std::string_view unit);

/// "97 %", "4.2 %", "0.14 %", "?" where there is none: two digits, and whole percents above.
std::string share_text(double share);

/// Runs every query of reports/NAME.sql on `db` and returns the results as titled tables.  Queries are separated by ";"
/// and each starts with a comment line `-- Title`.  A column called `name [unit]` prints with pretty(); two columns
/// called value and unit print as one; one called `run` is left out where the database has a single run.  A query
/// without rows is left out.
std::string summarise(const Database& db, const std::string& name);
}  // namespace moesim::results
