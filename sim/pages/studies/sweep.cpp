// The points of a sweep beside each other.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

#include "pages/studies/common.h"
#include "pages/studies/studies.h"
#include "results/metrics.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
constexpr std::size_t kMostBars = 48, kMostPanels = 9, kMostFigures = 40, kMostCellsHere = 20'000;

struct Point {
  std::string run, label, problem;
};

/// What was varied, each point's values in the order of the keys; the key itself only where there are several.
std::vector<Point> points_of(const Rows& rows, std::vector<std::string>& keys) {
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (std::ranges::find(keys, rows.text(i, 2)) == keys.end()) keys.push_back(rows.text(i, 2));
  std::vector<Point> out;
  std::string last;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (out.empty() || rows.text(i, 0) != last) out.push_back({rows.text(i, 1), "", rows.text(i, 4)});
    last = rows.text(i, 0);
    const std::string short_key = rows.text(i, 2).substr(rows.text(i, 2).rfind('.') + 1);
    out.back().label +=
        (out.back().label.empty() ? "" : ", ") + (keys.size() > 1 ? short_key + " " : "") + rows.text(i, 3);
  }
  return out;
}

/// "show: [a, b]" of the sweep's text; else what differs between points.
std::vector<std::string> shown_figures(const std::string& sweep, const Rows& figures) {
  std::vector<std::string> out;
  if (const std::size_t at = sweep.find("\nshow:"); at != std::string::npos) {
    const std::size_t open = sweep.find('[', at), close = sweep.find(']', at);
    for (std::size_t from = open; close != std::string::npos && from < close;) {
      const std::size_t end = std::min(sweep.find(',', from + 1), close);
      std::string name = sweep.substr(from + 1, end - from - 1);
      std::erase(name, ' ');
      if (!name.empty()) out.push_back(name);
      from = end;
    }
  }
  if (!out.empty()) return out;
  std::map<std::string, std::pair<double, double>> ranges;
  std::vector<std::string> order;
  for (std::size_t i = 0; i < figures.size(); ++i) {
    const double v = figures.number(i, 2);
    if (!std::isfinite(v)) continue;
    const auto [at, added] = ranges.emplace(figures.text(i, 1), std::pair(v, v));
    if (added) order.push_back(figures.text(i, 1));
    at->second = {std::min(at->second.first, v), std::max(at->second.second, v)};
  }
  for (const std::string& name : order)
    if (const auto& [low, high] = ranges[name]; high - low > 1e-3 * std::fabs(high) && out.size() < kMostFigures)
      out.push_back(name);
  return out;
}

/// "title: ..." of the sweep's text; "" if it has none.
std::string title_of(const std::string& sweep) {
  const std::size_t at = sweep.starts_with("title: ") ? 0 : sweep.find("\ntitle: ");
  if (at == std::string::npos) return "";
  const std::size_t from = sweep.find(": ", at) + 2;
  return sweep.substr(from, sweep.find('\n', from) - from);
}

struct Found {
  double value;
  std::string unit;
};
using Table = std::map<std::pair<std::string, std::string>, Found>;  // (run, figure)

bool is_share(std::string_view name) {
  return name.starts_with("mfu") || name.ends_with("share") || name.ends_with("goodput");
}

/// One figure of all points.  best: the point's place, if the figure has a better side.
Figure panel_of(const std::string& name, const std::vector<Point>& points, const Table& table, std::size_t& best) {
  const results::MetricDefinition* known = results::find_metric(name);
  const results::Better better = known == nullptr ? results::Better::neither : known->better;
  Bars b;
  b.aria = name + " of each point", b.label_name = "point", b.value_name = spaced(name);
  double at_best = NAN;
  std::size_t bar = 0, best_bar = 0;
  best = points.size();
  for (std::size_t i = 0; i < points.size() && b.bars.size() < kMostBars; ++i) {
    const auto found = table.find({points[i].run, name});
    if (points[i].run.empty() || found == table.end() || !(found->second.value >= 0)) continue;
    const double v = found->second.value;
    if (better != results::Better::neither &&
        (!std::isfinite(at_best) || (better == results::Better::less ? v < at_best : v > at_best)))
      at_best = v, best = i, best_bar = bar;
    b.bars.push_back({points[i].label, 0, v,
                      is_share(name) ? fmt::format("{:.1f} %", 100 * v) : results::pretty(v, found->second.unit), "",
                      Tone::rest});
    ++bar;
  }
  if (std::isfinite(at_best)) b.bars[best_bar].tone = Tone::answer;
  return b.bars.empty() ? Figure{} : bars(b);
}

DataTable table_of(const std::vector<Point>& points, const std::vector<std::string>& names, const Table& table) {
  DataTable out{"", {"point"}, {}};
  for (const std::string& n : names) out.columns.push_back(spaced(n));
  out.columns.push_back("problem");
  for (const Point& p : points) {
    if (out.rows.size() * out.columns.size() > kMostCellsHere) break;
    std::vector<Cell> row = {cell(p.label)};
    for (const std::string& n : names) {
      const auto found = table.find({p.run, n});
      row.push_back(found == table.end() ? Cell{} : cell(found->second.value, found->second.unit));
    }
    row.push_back(cell(p.problem));
    out.rows.push_back(std::move(row));
  }
  return out;
}

/// Every point with its figures, and what was asked.
Section points_section(const std::vector<Point>& points, const std::vector<std::string>& names, const Table& table,
                       const std::string& sweep, const Queries& q) {
  Section all;
  all.id = "points";
  all.question = "What does each point give?";
  all.answer = html("{} points, {} figures", points.size(), names.size());
  all.below = html(
      "<p class=\"ctl\"><label>Only rows with <input type=\"search\" data-filter=\"point-rows\"></label> <output "
      "id=\"point-rows-n\"></output></p>{}",
      table_html(table_of(points, names, table), "point-rows"));
  all.below += html(
      "<details class=\"screen\"><summary>The sweep's text</summary><pre "
      "tabindex=\"0\"><code>{}</code></pre></details>",
      sweep.substr(0, 100'000));
  all.sql = {q.sql("points"), q.sql("sweep")};
  return all;
}
}  // namespace

Page sweep_page(const Facts& f, const results::Database& db) {
  const Queries q = Queries::of(db, "sweep");
  Page page = begun_page(f, q, {});
  const Rows sweep = q.rows("sweep"), figures = q.rows("figures");
  page.kind = "sweep";
  if (const std::string title = title_of(sweep.text(0, 0)); !title.empty()) page.title = title;
  std::vector<std::string> keys;
  const std::vector<Point> points = points_of(q.rows("points"), keys);
  Table table;
  for (std::size_t i = 0; i < figures.size(); ++i)
    table[{figures.text(i, 0), figures.text(i, 1)}] = {figures.number(i, 2), figures.text(i, 3)};
  const std::vector<std::string> names = shown_figures(sweep.text(0, 0), figures);
  const std::size_t failed = std::size_t(std::ranges::count_if(points, [](const Point& p) { return p.run.empty(); }));
  if (sweep.text(0, 4) != "complete" || double(points.size()) < sweep.number(0, 1))
    page.alarm = html("This sweep is not whole: {} of its {} points are here (state {}).", points.size(),
                      sweep.text(0, 1), sweep.text(0, 4));
  Section s;
  s.id = "figures";
  s.question = "Which point is best at what?";
  const bool short_labels = std::ranges::all_of(points, [](const Point& p) { return letters(p.label) <= 12; });
  s.columns = short_labels ? 3 : 2;
  std::string first_best, first_name;
  for (const std::string& name : names) {
    if (s.panels.size() == kMostPanels) break;
    std::size_t best = 0;
    Figure figure = panel_of(name, points, table, best);
    if (figure.marks == 0) continue;
    if (first_best.empty() && best < points.size()) first_best = points[best].label, first_name = spaced(name);
    s.panels.push_back({spaced(name), "", std::move(figure)});
  }
  std::string what;
  for (const std::string& k : keys) what += (what.empty() ? "" : " and ") + k;
  s.answer = first_best.empty() ? html("{} points", points.size())
                                : html("{} has the best {}", strong(first_best), first_name);
  s.note = fmt::format(
      "The best of each chart in blue, where a figure has a better side; every chart has its own scale, from 0. {} of "
      "{} points could not run.",
      failed, points.size());
  s.sql = {q.sql("points"), q.sql("figures")};
  page.headline = first_best.empty() ? html("{} points over {}", points.size(), what)
                                     : html("Over {} points of {}, {} has the best {}", points.size(), what,
                                            strong(first_best), first_name);
  page.keys.push_back({"Points", fmt::to_string(points.size()), "of " + sweep.text(0, 1), "", "", double(points.size()),
                       "SELECT count(DISTINCT point) FROM sweep_point"});
  page.keys.push_back({"Could not run", fmt::to_string(failed), "", "", "", double(failed),
                       "SELECT count(DISTINCT point) FROM sweep_point WHERE run IS NULL"});
  if (!s.panels.empty()) page.sections.push_back(std::move(s));
  page.sections.push_back(points_section(points, names, table, sweep.text(0, 0), q));
  return page;
}
}  // namespace moesim::pages
