// The queries of reports/page/NAME.sql, run on a results database: what a page shows is what its SQL gives.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "results/store.h"

namespace moesim::pages {

/// A row's value, as stored.
struct Field {
  std::optional<double> number;  // none for text and null, and for what is not finite
  std::string text;              // "" for null
};
struct Rows {
  std::vector<std::vector<Field>> rows;

  bool empty() const { return rows.empty(); }
  std::size_t size() const { return rows.size(); }
  /// NaN for none.
  double number(std::size_t row, std::size_t column) const;
  /// A number of a stage, layer or GPU: 0 for what is none.
  int whole(std::size_t row, std::size_t column) const;
  const std::string& text(std::size_t row, std::size_t column) const { return rows.at(row).at(column).text; }
};

class Queries {
 public:
  /// `text`: queries that end in ";", each under a line "-- name: what it asks".
  Queries(const results::Database& db, const std::string& text);
  /// Those of reports/page/NAME.sql.  Throws ConfigError if it is not there.
  static Queries of(const results::Database& db, const std::string& name);

  /// Parameters are ?1, ?2, ...  Reads at most kMostRows and drops the rest.
  Rows rows(std::string_view name, const std::vector<std::string>& parameters = {}) const;
  /// The first column of all rows, those that are numbers.
  std::vector<double> numbers(std::string_view name, const std::vector<std::string>& parameters = {}) const;
  /// The query itself.
  const std::string& sql(std::string_view name) const;
  /// With its parameters written out, so that any client of SQLite takes it as it stands.
  std::string sql(std::string_view name, const std::vector<std::string>& parameters) const;
  const results::Database& db() const { return *db_; }

  static constexpr std::size_t kMostRows = 200'000;  // of tables; a page holds far fewer

 private:
  const results::Database* db_;
  std::map<std::string, std::string, std::less<>> sql_;
};
}  // namespace moesim::pages
