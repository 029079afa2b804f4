#include "results/sql.h"

#include <fmt/format.h>

#include <algorithm>

namespace moesim::results {

std::vector<std::string> titled_queries(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t from = 0, end; from < text.size(); from = end + 2) {
    end = std::min(text.find(";\n", from), text.size());
    const std::string query = text.substr(from, end - from);
    if (const std::size_t title = query.find("-- "); title != std::string::npos) out.push_back(query.substr(title));
  }
  return out;
}

void sort_rows(Database& db, std::string_view table, std::string_view by) {
  db.exec(
      fmt::format("CREATE TEMP TABLE sorted AS SELECT * FROM main.{0} ORDER BY {1}, rowid; DELETE FROM main.{0}; "
                  "INSERT INTO main.{0} SELECT * FROM sorted ORDER BY rowid; DROP TABLE sorted",
                  table, by));
}
}  // namespace moesim::results
