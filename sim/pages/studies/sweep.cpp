// The points of a sweep beside each other.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>

#include "core/config.h"
#include "pages/studies/common.h"
#include "pages/studies/studies.h"
#include "pages/studies/sweep_points.h"
#include "results/metrics.h"
#include "results/summary.h"

namespace moesim::pages {

bool is_share(std::string_view name) {
  return name.starts_with("mfu") || name.ends_with("share") || name.ends_with("goodput");
}

std::optional<Found> mean_of(const Point& point, const std::string& name, const PointTable& table) {
  Found sum{0, ""};
  int count = 0;
  for (const std::string& run : point.runs)
    if (const auto found = table.find({run, name}); found != table.end() && std::isfinite(found->second.value))
      sum.value += found->second.value, sum.unit = found->second.unit, ++count;
  if (count == 0) return std::nullopt;
  sum.value /= count;
  return sum;
}

namespace {
constexpr std::size_t kMostBars = 48, kMostPanels = 9, kMostFigures = 40, kMostCellsHere = 20'000;

/// What was varied, each point's values in the order of the keys; the key itself only where there are several.
std::vector<Point> points_of(const Rows& rows, std::vector<std::string>& keys) {
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (std::ranges::find(keys, rows.text(i, 2)) == keys.end()) keys.push_back(rows.text(i, 2));
  const bool seeds = keys.size() > 1 && keys.back() == "seed";  // of a place; a mean is shown
  if (seeds) keys.pop_back();
  std::vector<Point> all;
  std::string last;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (all.empty() || rows.text(i, 0) != last) {
      all.push_back({{}, "", rows.text(i, 4), {}});
      if (!rows.text(i, 1).empty()) all.back().runs.push_back(rows.text(i, 1));
    }
    last = rows.text(i, 0);
    if (seeds && rows.text(i, 2) == "seed") continue;
    all.back().values.push_back(rows.text(i, 3));
    const std::string short_key = rows.text(i, 2).substr(rows.text(i, 2).rfind('.') + 1);
    all.back().label +=
        (all.back().label.empty() ? "" : ", ") + (keys.size() > 1 ? short_key + " " : "") + rows.text(i, 3);
  }
  if (!seeds) return all;
  std::vector<Point> out;
  for (Point& p : all) {
    if (out.empty() || out.back().label != p.label) {
      out.push_back(std::move(p));
      continue;
    }
    out.back().runs.insert(out.back().runs.end(), p.runs.begin(), p.runs.end());
    if (out.back().problem.empty()) out.back().problem = p.problem;
  }
  return out;
}

/// The sweep's file as it was; nothing where its text cannot be read.
std::optional<Config> config_of(const std::string& sweep) {
  try {
    const Config config = Config::from_text(sweep, "sweep");
    return config.is_map() ? std::optional(config) : std::nullopt;
  } catch (const ConfigError&) {
    return std::nullopt;
  }
}

/// What the sweep shows; else what differs between points.
std::vector<std::string> shown_figures(const std::string& sweep, const Rows& figures) {
  std::vector<std::string> out;
  if (const std::optional<Config> config = config_of(sweep); config && config->has("show")) try {
      config->at("show").parse(out);
    } catch (const ConfigError&) {
      out.clear();
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

std::string title_of(const std::string& sweep) {
  const std::optional<Config> config = config_of(sweep);
  return config && config->has("title") && config->at("title").is_scalar() ? config->at("title").text() : "";
}

/// One figure of all points, of very many the best or the first.  best: the point's place, if the figure has a better
/// side.
Figure panel_of(const std::string& name, const std::vector<Point>& points, const PointTable& table, std::size_t& best) {
  const results::MetricDefinition* known = results::find_metric(name);
  const results::Better better = known == nullptr ? results::Better::neither : known->better;
  std::vector<std::pair<std::size_t, Found>> all;
  for (std::size_t i = 0; i < points.size(); ++i)
    if (const auto found = mean_of(points[i], name, table); found && found->value >= 0) all.push_back({i, *found});
  best = points.size();
  if (all.empty()) return Figure{};
  if (better != results::Better::neither) {
    const auto first = [&](const auto& a, const auto& b) {
      return better == results::Better::less ? a.second.value < b.second.value : a.second.value > b.second.value;
    };
    best = std::ranges::min_element(all, first)->first;
    if (all.size() > kMostBars) std::ranges::stable_sort(all, first);
  }
  if (all.size() > kMostBars) all.resize(kMostBars);
  Bars b;
  b.aria = name + " of each point", b.label_name = "point", b.value_name = spaced(name);
  for (const auto& [i, found] : all)
    b.bars.push_back(
        {points[i].label, 0, found.value,
         is_share(name) ? fmt::format("{:.1f} %", 100 * found.value) : results::pretty(found.value, found.unit), "",
         i == best ? Tone::answer : Tone::rest});
  return bars(b);
}

DataTable table_of(const std::vector<Point>& points, const std::vector<std::string>& names, const PointTable& table) {
  DataTable out{"", {"point"}, {}};
  for (const std::string& n : names) out.columns.push_back(spaced(n));
  out.columns.push_back("problem");
  for (const Point& p : points) {
    if (out.rows.size() * out.columns.size() > kMostCellsHere) break;
    std::vector<Cell> row = {cell(p.label)};
    for (const std::string& n : names) {
      const auto found = mean_of(p, n, table);
      row.push_back(found ? cell(found->value, found->unit) : Cell{});
    }
    row.push_back(cell(p.problem));
    out.rows.push_back(std::move(row));
  }
  return out;
}

/// Every point with its figures, and what was asked.
Section points_section(const std::vector<Point>& points, const std::vector<std::string>& names, const PointTable& table,
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
  all.sql = {q.sql("points"), q.sql("figures"), q.sql("sweep")};
  return all;
}

/// Small multiples: lines along a key of numbers, else a bar a point.  first_best: the point that leads in the first
/// figure with a better side, first_name.
Section figures_section(const std::vector<std::string>& keys, const std::vector<Point>& points,
                        const std::vector<std::string>& names, const PointTable& table, std::string& first_best,
                        std::string& first_name) {
  Section s;
  s.id = "figures";
  s.question = "Which point is best at what?";
  bool lines_drawn = false;
  for (const std::string& name : names) {
    if (s.panels.size() == kMostPanels) break;
    std::size_t best = 0;
    Figure figure = panel_of(name, points, table, best);
    if (figure.marks == 0) continue;
    if (first_best.empty() && best < points.size()) first_best = points[best].label, first_name = spaced(name);
    std::optional<Figure> along = along_numbers(name, keys, points, table);
    lines_drawn = lines_drawn || along.has_value();
    s.panels.push_back({spaced(name), "", along ? std::move(*along) : std::move(figure)});
  }
  const bool short_labels = std::ranges::all_of(points, [](const Point& p) { return letters(p.label) <= 12; });
  s.columns = short_labels || lines_drawn ? 3 : 2;
  s.answer = first_best.empty() ? html("{} points", points.size())
                                : html("{} has the best {}", strong(first_best), first_name);
  s.note = lines_drawn ? "Lines are along the key with most numbers; every chart has its own scale, from 0. "
                       : "The best of each chart in blue, where a figure has a better side; every chart has its own "
                         "scale, from 0. ";
  return s;
}
/// With where the kernel times of all points come from, and how far off the worst may be.
Facts with_kernels(Facts f, const results::Database& db) {
  results::Statement s = db.prepare(
      "SELECT name, CASE WHEN name LIKE 'kernel_error%' THEN max(value) ELSE avg(value) END FROM metric WHERE (name "
      "LIKE 'kernel_error%' OR name LIKE 'kernel_time_%_share') AND (scope = 'run' OR scope LIKE 'pool:%') AND scope "
      "NOT LIKE '%,%' GROUP BY name");
  while (s.step()) f.metrics[{"run", s.text(0)}] = {s.real(1), ""};
  f.state = "complete";  // each point has its own
  return f;
}
}  // namespace

Page sweep_page(const Facts& f, const results::Database& db) {
  const Queries q = Queries::of(db, "sweep");
  Page page = begun_page(with_kernels(f, db), q, {"run"});
  for (Panel& p : page.strip)
    p.under += p.under.empty() ? "Mean over the points." : " These are of the point that is furthest off.";
  const Rows sweep = q.rows("sweep"), figures = q.rows("figures");
  page.kind = "sweep";
  if (const std::string title = title_of(sweep.text(0, 0)); !title.empty()) page.title = title;
  std::vector<std::string> keys;
  const Rows rows = q.rows("points");
  const std::vector<Point> points = points_of(rows, keys);
  std::size_t here = 0, failed = 0;  // points of the sweep, every seed one
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i > 0 && rows.text(i, 0) == rows.text(i - 1, 0)) continue;
    ++here;
    failed += rows.text(i, 1).empty();
  }
  PointTable table;
  for (std::size_t i = 0; i < figures.size(); ++i)
    table[{figures.text(i, 0), figures.text(i, 1)}] = {figures.number(i, 2), figures.text(i, 3)};
  const std::vector<std::string> names = shown_figures(sweep.text(0, 0), figures);
  if (sweep.text(0, 4) != "complete" || double(here) < sweep.number(0, 1))
    page.alarm = html("This sweep is not whole: {} of its {} points are here (state {}).", here, sweep.text(0, 1),
                      sweep.text(0, 4));
  else if (const std::string open = db.value("SELECT count(*) FROM run WHERE state <> 'complete'").value_or("0");
           open != "0")
    page.alarm = html(
        "{} of its runs did not come to their end: their rows are missing, and their figures hold for "
        "what was done until then.",
        open);
  std::string first_best, first_name;
  Section s = figures_section(keys, points, names, table, first_best, first_name);
  std::string what;
  for (const std::string& k : keys) what += (what.empty() ? "" : " and ") + k;
  s.note += fmt::format(
      "{}{}{}",
      failed == 0 ? fmt::format("All {} points ran.", here)
                  : fmt::format("{} of {} points could not run.", failed, here),
      points.size() > kMostBars
          ? fmt::format(" Of more than {0} points each chart draws the best {0}; the table has all.", kMostBars)
          : "",
      here > points.size() ? " Where several seeds ran, the mean over them." : "");
  s.sql = {q.sql("points"), q.sql("figures")};
  page.headline = first_best.empty() ? html("{} points over {}", points.size(), what)
                                     : html("Over {} point{} of {}, {} has the best {}", points.size(),
                                            points.size() == 1 ? "" : "s", what, strong(first_best), first_name);
  page.keys.push_back({"Points", fmt::to_string(here), "of " + sweep.text(0, 1), "", "", double(here),
                       "SELECT count(DISTINCT point) FROM sweep_point"});
  page.keys.push_back({"Could not run", fmt::to_string(failed), failed == 0 ? "all did" : "reasons in the table below",
                       "", "", double(failed), "SELECT count(DISTINCT point) FROM sweep_point WHERE run IS NULL"});
  if (!s.panels.empty()) page.sections.push_back(std::move(s));
  add_parallel(page, keys, points, names, table, q);
  page.sections.push_back(points_section(points, names, table, sweep.text(0, 0), q));
  return page;
}
}  // namespace moesim::pages
