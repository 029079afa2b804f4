#include "results/diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <sstream>

#include "core/utf8.h"
#include "results/metrics.h"
#include "results/results.h"
#include "results/schema.h"
#include "results/summary.h"

namespace moesim::results {
namespace {
std::map<std::string, std::string> settings(const Database& db) {
  std::map<std::string, std::string> out;
  std::istringstream lines(db.value("SELECT resolved FROM run").value_or(""));
  for (std::string line; std::getline(lines, line);)
    if (const std::size_t colon = line.find(": "); colon != std::string::npos)
      out[line.substr(0, colon)] = line.substr(colon + 2);
  return out;
}

std::vector<std::string> changed_settings(const Database& a, const Database& b) {
  const auto in_a = settings(a), in_b = settings(b);
  std::map<std::string, std::string> keys = in_a;
  keys.insert(in_b.begin(), in_b.end());
  std::vector<std::string> out;
  for (const auto& [key, ignored] : keys) {
    const auto x = in_a.find(key), y = in_b.find(key);
    const std::string before = x == in_a.end() ? "-" : x->second, after = y == in_b.end() ? "-" : y->second;
    if (before != after) out.push_back(fmt::format("{}: {} -> {}", key, before, after));
  }
  return out;
}

struct Metric {
  double value;
  std::string unit;
};
std::map<std::pair<std::string, std::string>, Metric> metrics(const Database& db) {
  std::map<std::pair<std::string, std::string>, Metric> out;
  Statement s = db.prepare("SELECT scope, name, value, unit FROM metric");
  while (s.step()) out[{s.text(0), s.text(1)}] = {s.real(2), s.text(3)};
  return out;
}

std::vector<MetricChange> changed_metrics(const Database& a, const Database& b) {
  const auto in_a = metrics(a), in_b = metrics(b);
  std::vector<MetricChange> out;
  for (const auto& [key, m] : in_a) {
    const auto other = in_b.find(key);
    if (other == in_b.end())
      out.push_back({key.first, key.second, m.unit, m.value, 0, true, false});
    else if (other->second.value != m.value)
      out.push_back({key.first, key.second, m.unit, m.value, other->second.value, false, false});
  }
  for (const auto& [key, m] : in_b)
    if (!in_a.contains(key)) out.push_back({key.first, key.second, m.unit, 0, m.value, false, true});
  return out;
}

std::optional<std::string> next_row(Statement& s) {
  if (!s.step()) return std::nullopt;
  std::string out;
  for (int i = 0; i < s.columns(); ++i) out += (i == 0 ? "" : ", ") + (s.is_null(i) ? "null" : one_line(s.text(i)));
  return out;
}
/// The first row that differs, or nothing.
std::optional<std::string> first_difference(const Database& a, const Database& b, std::string_view table) {
  const std::string sql = fmt::format("SELECT * FROM {} ORDER BY rowid", table);
  Statement in_a = a.prepare(sql), in_b = b.prepare(sql);
  for (std::int64_t row = 0;; ++row) {
    const auto x = next_row(in_a), y = next_row(in_b);
    if (x != y) return fmt::format("{}: row {}: {} -> {}", table, row, x.value_or("none"), y.value_or("none"));
    if (!x) return std::nullopt;
  }
}
double size_of(const MetricChange& c) {
  if (c.only_a || c.only_b) return 1e300;
  return std::fabs(c.b - c.a) / std::max({std::fabs(c.a), std::fabs(c.b), 1e-300});
}
/// "better" or "worse", or nothing where a figure is neither or the table of definitions does not know it.
std::string verdict(const MetricChange& c) {
  const MetricDefinition* metric = find_metric(c.name);
  if (c.only_a || c.only_b || metric == nullptr || metric->better == Better::neither) return "";
  return (c.b > c.a) == (metric->better == Better::more) ? "better" : "worse";
}
}  // namespace

RunDifference difference(const Database& a, const Database& b) {
  check_results(a);
  check_results(b);
  RunDifference out;
  out.settings = changed_settings(a, b);
  out.metrics = changed_metrics(a, b);
  for (const TableDefinition& t : tables())
    if (t.table != Table::run && t.table != Table::option && t.table != Table::metric && a.has_table(t.name) &&
        b.has_table(t.name))
      if (const auto row = first_difference(a, b, t.name)) out.rows.push_back(*row);
  out.same_fingerprint = a.value("SELECT fingerprint FROM run") == b.value("SELECT fingerprint FROM run");
  return out;
}

std::string difference_text(const RunDifference& d, const std::string& a, const std::string& b) {
  if (d.equal()) return fmt::format("{} and {} hold the same run\n", a, b);
  std::string out = d.same_fingerprint ? "" : "the runs executed different events\n";
  if (!d.settings.empty()) out += "\nSettings\n";
  for (const std::string& s : d.settings) out += "  " + s + "\n";
  std::vector<MetricChange> sorted = d.metrics;
  std::ranges::stable_sort(sorted, [](const MetricChange& x, const MetricChange& y) {
    return std::pair(x.scope != "run", -size_of(x)) < std::pair(y.scope != "run", -size_of(y));
  });
  TextTable table({"metric", "scope", a, b, "change", ""});
  constexpr std::size_t kMost = 40;
  for (std::size_t i = 0; i < std::min(kMost, sorted.size()); ++i) {
    const MetricChange& c = sorted[i];
    table.add({c.name, c.scope, c.only_b ? "absent" : pretty(c.a, c.unit), c.only_a ? "absent" : pretty(c.b, c.unit),
               c.only_a || c.only_b || c.a == 0 ? "" : fmt::format("{:+.3g} %", 100 * (c.b - c.a) / std::fabs(c.a)),
               verdict(c)});
  }
  if (!table.empty()) out += "\nMetrics\n" + table.text(2);
  if (sorted.size() > kMost) out += fmt::format("  ... and {} more\n", sorted.size() - kMost);
  if (!d.rows.empty()) out += "\nFirst differing rows\n";
  for (const std::string& r : d.rows) out += "  " + r + "\n";
  return out;
}
}  // namespace moesim::results
