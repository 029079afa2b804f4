#include "pages/queries.h"

#include <fmt/format.h>

#include <cmath>

#include "core/check.h"
#include "pages/assets.h"
#include "results/sql.h"

namespace moesim::pages {

double Rows::number(std::size_t row, std::size_t column) const {
  return rows.at(row).at(column).number.value_or(std::nan(""));
}

int Rows::whole(std::size_t row, std::size_t column) const {
  const double value = number(row, column);
  return value >= 0 && value < 1e9 ? int(value) : 0;
}

Queries::Queries(const results::Database& db, const std::string& text) : db_(&db) {
  for (const std::string& query : results::titled_queries(text)) {
    const std::size_t colon = query.find(':');
    core::check(colon != std::string::npos, "a query has no name: {}", query);
    sql_.emplace(query.substr(3, colon - 3), query + ";");
  }
}

Queries Queries::of(const results::Database& db, const std::string& name) { return {db, asset(name + ".sql")}; }

const std::string& Queries::sql(std::string_view name) const {
  const auto found = sql_.find(name);
  core::check(found != sql_.end(), "no query is called {}", name);
  return found->second;
}

std::string Queries::sql(std::string_view name, const std::vector<std::string>& parameters) const {
  const std::string& text = sql(name);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t place =
        text[i] == '?' && i + 1 < text.size() ? std::size_t(text[i + 1] - '1') : parameters.size();
    if (place >= parameters.size()) {
      out += text[i];
      continue;
    }
    out += '\'';
    for (const char c : parameters[place]) out += c == '\'' ? "''" : std::string(1, c);
    out += '\'';
    ++i;
  }
  return out;
}

namespace {
results::Statement prepared(const results::Database& db, const std::string& sql,
                            const std::vector<std::string>& parameters) {
  results::Statement s = db.prepare(sql);
  for (std::size_t i = 0; i < parameters.size(); ++i) s.bind(int(i), std::string_view(parameters[i]));
  return s;
}
}  // namespace

Rows Queries::rows(std::string_view name, const std::vector<std::string>& parameters) const {
  results::Statement s = prepared(*db_, sql(name), parameters);
  Rows out;
  while (out.rows.size() < kMostRows && s.step()) {
    std::vector<Field>& row = out.rows.emplace_back();
    for (int c = 0; c < s.columns(); ++c) {
      Field& f = row.emplace_back();
      if (s.is_null(c)) continue;
      if (s.is_number(c) && std::isfinite(s.real(c))) f.number = s.real(c);
      f.text = s.text(c);
    }
  }
  return out;
}

std::vector<double> Queries::numbers(std::string_view name, const std::vector<std::string>& parameters) const {
  results::Statement s = prepared(*db_, sql(name), parameters);
  std::vector<double> out;
  while (s.step())
    if (s.is_number(0) && std::isfinite(s.real(0))) out.push_back(s.real(0));
  return out;
}
}  // namespace moesim::pages
