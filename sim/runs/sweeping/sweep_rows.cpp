#include "runs/sweeping/sweep_rows.h"

#include <fmt/format.h>

#include "results/schema.h"

namespace moesim::runs {

std::vector<Row> rows_of(const results::Database& db, std::string_view table, int run) {
  std::vector<Row> out;
  results::Statement s = db.prepare(fmt::format("SELECT * FROM {} ORDER BY rowid", table));
  while (s.step()) {
    Row& row = out.emplace_back();
    for (int c = 0; c < s.columns(); ++c) {
      const std::string name = s.column_name(c);
      if (name == "run" && run > 0 && !s.is_null(c))
        row.emplace_back(run);
      else if (s.is_null(c) || (run > 0 && (name == "wall_time" || name == "peak_rss")))
        row.push_back(results::Results::null());  // they differ from run to run
      else if (s.is_integer(c))
        row.emplace_back(s.integer(c));
      else if (s.is_number(c))
        row.emplace_back(s.real(c));
      else
        row.emplace_back(s.text(c));
    }
  }
  return out;
}

void insert_rows(results::Database& db, std::string_view table, const std::vector<Row>& rows) {
  if (rows.empty()) return;
  std::string marks;
  for (std::size_t i = 0; i < rows.front().size(); ++i) marks += i == 0 ? "?" : ",?";
  results::Statement s = db.prepare(fmt::format("INSERT INTO {} VALUES ({})", table, marks));
  for (const Row& row : rows) {
    for (int c = 0; c < int(row.size()); ++c) {
      const results::Results::Value& v = row[std::size_t(c)];
      if (const auto* integer = std::get_if<std::int64_t>(&v))
        s.bind(c, *integer);
      else if (const auto* real = std::get_if<double>(&v))
        s.bind(c, *real);
      else if (const auto* text = std::get_if<std::string>(&v))
        s.bind(c, std::string_view(*text));
      else
        s.bind_null(c);
    }
    s.run();
  }
}
}  // namespace moesim::runs
