// Prints answers for people: values with units chosen by size, and the queries kept in reports/*.sql as tables.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "results/store.h"

namespace moesim::results {

/// "1.53 ms", "24.1 GB", "3.21 k tokens/s": three significant digits and a prefix chosen by size.
/// unit: as stored with a metric (s, B, B/s, FLOP/s, tokens/s, J, USD, ... or "" for a plain number).
std::string pretty(double value, std::string_view unit);

/// Rows of text under a header, numbers to the right, as wide as needed.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header) : rows_{in_lines(std::move(header))} {}
  /// A line break or the like in a cell is written out; a long text in the last goes on in further rows.
  void add(std::vector<std::string> row);
  bool empty() const { return rows_.size() <= 1; }
  std::string text(int indent = 0) const;

 private:
  static std::vector<std::string> in_lines(std::vector<std::string> cells);
  std::vector<std::vector<std::string>> rows_;
};

/// Runs every query of reports/NAME.sql on `db` and returns the results as titled tables.  Queries are separated by ";"
/// and each starts with a comment line `-- Title`.  A column called `name [unit]` prints with pretty(); two columns
/// called value and unit print as one; one called `run` is left out where the database has a single run.  A query
/// without rows is left out.
std::string summarise(const Database& db, const std::string& name);
}  // namespace moesim::results
