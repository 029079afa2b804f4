#include "runs/sweeping/sweep_answer.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/json.h"
#include "results/metrics.h"
#include "results/summary.h"
#include "runs/sweeping/confidence.h"

namespace moesim::runs {
namespace {
/// What one row shows: a point, or the points of one place that differ in their seed.
struct Line {
  int number = 0;  // of the place, or the point where there are no seeds
  std::vector<const Point*> points;
  std::vector<int> numbers;  // of the points

  const Point& first() const { return *points.front(); }
  int run() const {
    return int(std::ranges::count_if(points, [](const Point* p) { return p->problem.empty(); }));
  }
  std::vector<double> figures(std::size_t metric) const {
    std::vector<double> out;
    for (const Point* p : points)
      if (metric < p->shown.size() && p->shown[metric]) out.push_back(*p->shown[metric]);
    return out;
  }
};

std::vector<Line> lines(const Sweep& sweep, const std::vector<Point>& points, const std::vector<int>& mine) {
  const int each = std::max(1, int(sweep.seeds.size()));
  std::vector<Line> out;
  for (const int number : mine) {
    if (out.empty() || out.back().number != number / each) out.push_back({number / each, {}, {}});
    out.back().points.push_back(&points[std::size_t(number)]);
    out.back().numbers.push_back(number);
  }
  return out;
}

std::string_view unit_of(const std::string& metric) { return results::find_metric(metric)->unit; }

std::string cell(const Line& row, std::size_t metric, const std::string& name) {
  if (row.run() == 0) return "-";
  const std::vector<double> figures = row.figures(metric);
  if (figures.empty()) return "not known";
  const Mean m = mean_of(figures);
  const std::string mean = results::pretty(m.mean, unit_of(name));
  return m.count == 1 ? mean : fmt::format("{} +- {}", mean, results::pretty(m.half_width, unit_of(name)));
}
}  // namespace

std::string sweep_text(const Sweep& sweep, const std::vector<Point>& points, const std::vector<int>& mine) {
  const SweepSection& section = sweep.section;
  std::vector<std::string> header{"point"};
  for (const SweepAxis& axis : section.vary) header.push_back(axis.key);
  if (!sweep.seeds.empty()) header.emplace_back("seeds");
  header.insert(header.end(), section.show.begin(), section.show.end());
  results::TextTable table(header);
  std::string problems;
  for (const Line& row : lines(sweep, points, mine)) {
    std::vector<std::string> cells{fmt::to_string(row.number)};
    for (std::size_t a = 0; a < section.vary.size(); ++a) cells.push_back(row.first().values[a]);
    if (!sweep.seeds.empty()) cells.push_back(fmt::to_string(row.run()));
    for (std::size_t m = 0; m < section.show.size(); ++m) cells.push_back(cell(row, m, section.show[m]));
    table.add(cells);
    for (std::size_t i = 0; i < row.points.size(); ++i) {
      const Point& p = *row.points[i];
      if (p.problem.empty()) continue;
      const std::string seed = sweep.seeds.empty() ? "" : fmt::format(" with seed {}", p.values.back());
      problems += fmt::format("\npoint {}{} cannot be run: {}", row.number, seed, p.problem);
    }
  }
  const std::string how =
      sweep.seeds.size() < 2 ? "" : "\nmeans over the seeds, with their 95 % confidence intervals\n";
  return fmt::format("{}\n\n{}{}{}\n", section.title, table.text(), how, problems);
}

std::string sweep_json(const Sweep& sweep, const std::vector<Point>& points, const std::vector<int>& mine) {
  formats::Json out;
  out["title"] = sweep.section.title;
  out["points"] = formats::Json::array();
  for (const Line& row : lines(sweep, points, mine)) {
    formats::Json one;
    one["point"] = row.number;
    for (std::size_t a = 0; a < sweep.section.vary.size(); ++a)
      one["values"][sweep.section.vary[a].key] = row.first().values[a];
    if (!sweep.seeds.empty()) one["seeds"] = row.run();
    one["metrics"] = formats::Json::object();
    for (std::size_t m = 0; m < sweep.section.show.size(); ++m) {
      const std::vector<double> figures = row.figures(m);
      if (figures.empty()) continue;
      const Mean mean = mean_of(figures);
      formats::Json& metric = one["metrics"][sweep.section.show[m]];
      metric[sweep.seeds.empty() ? "value" : "mean"] = mean.mean;
      if (mean.count > 1) metric["half_width"] = mean.half_width;
      metric["unit"] = unit_of(sweep.section.show[m]);
    }
    one["problems"] = formats::Json::array();
    for (const Point* p : row.points)
      if (!p->problem.empty()) one["problems"].push_back(p->problem);
    out["points"].push_back(std::move(one));
  }
  return formats::json_text(out, 2) + "\n";
}
}  // namespace moesim::runs
