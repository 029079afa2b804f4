#include "runs/sweep.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/files.h"
#include "core/log.h"
#include "core/paths.h"
#include "core/yaml_line.h"
#include "results/metrics.h"
#include "results/summary.h"
#include "runs/parallel.h"
#include "runs/scenario.h"
#include "runs/sweep_output.h"

namespace moesim::runs {
namespace {
/// A value as it is shown, and set at its key: a word as it is.
std::string text_of(const Config& value) { return value.is_scalar() ? value.text() : yaml_line(value); }

Scenario scenario_of(const SweepSection& section, const std::string& file, const Point& point) {
  std::vector<Config::Override> overrides;
  for (const std::string& text : section.set) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos) throw ConfigError("set", fmt::format("expected key.path=value, got \"{}\"", text));
    overrides.push_back({text.substr(0, equals), text.substr(equals + 1)});
  }
  for (std::size_t axis = 0; axis < section.vary.size(); ++axis)
    overrides.push_back({section.vary[axis].key, point.values[axis], point.places[axis]});
  return load_scenario(file, overrides);
}

/// Whether it is to start: see affordable_sweep().
bool grid_affordable(const SweepSection& section, const std::string& sweep, const std::string& file,
                     const SweepOptions& options) {
  std::vector<std::size_t> axes;
  for (const SweepAxis& axis : section.vary) axes.push_back(axis.values.size());
  return affordable_sweep(Config::load(sweep), axes, options.jobs, options.limits,
                          [&](const std::vector<std::size_t>& place) {
                            Point point;
                            for (std::size_t a = 0; a < place.size(); ++a) {
                              point.values.push_back(text_of(section.vary[a].values[place[a]]));
                              point.places.push_back(section.vary[a].values[place[a]].place());
                            }
                            return scenario_of(section, file, point);
                          });
}

/// Runs one point; a ConfigError becomes its problem.
void run_point(const SweepSection& section, const std::string& file, int number, Point& point) {
  try {
    const Scenario scenario = scenario_of(section, file, point);
    results::Results results(":memory:", scenario.identity);
    results::SpanLog spans;
    simulate(scenario, results, spans);
    stop_if_interrupted();  // half a run is no point
    for (std::string_view table : kSweptTables)
      point.rows[std::string(table)] = rows_of(results.database(), table, number + 1);
    for (const std::string& name : section.show) {
      const results::MetricDefinition* metric = results::find_metric(name);
      if (metric == nullptr || !results::is_written_for(*metric, "run", false))
        throw ConfigError("show", fmt::format("the runs have no metric called \"{}\"", name));
      point.shown.push_back(results.has_metric(name)
                                ? results::pretty(results.metric_value(name), results.metric_unit(name))
                                : "not known");
    }
  } catch (const ConfigError& e) {
    point.problem = e.what();
    point.rows.clear();
    point.shown.clear();
  }
}

std::vector<Point> grid(const SweepSection& section) {
  std::vector<Point> points(1);
  for (const SweepAxis& axis : section.vary) {
    std::vector<Point> more;
    for (const Point& p : points)
      for (const Config& value : axis.values) {
        more.push_back(p);
        more.back().values.push_back(text_of(value));
        more.back().places.push_back(value.place());
      }
    points = std::move(more);
  }
  return points;
}

SweepSection read_sweep(const std::string& file) {
  const Config config = Config::load(file);
  auto section = read<SweepSection>(config);
  if (section.vary.empty()) config.at("vary").fail("expected at least one axis");
  for (const Config& axis : config.at("vary").items())
    if (axis.at("values").items().empty()) axis.at("values").fail("expected at least one value");
  return section;
}

void print(const SweepSection& section, const std::vector<Point>& points, const std::vector<int>& mine) {
  std::vector<std::string> header{"point"};
  for (const SweepAxis& axis : section.vary) header.push_back(axis.key);
  header.insert(header.end(), section.show.begin(), section.show.end());
  results::TextTable table(header);
  for (int number : mine) {
    const Point& p = points[std::size_t(number)];
    std::vector<std::string> row{fmt::to_string(number)};
    row.insert(row.end(), p.values.begin(), p.values.end());
    row.insert(row.end(), p.shown.begin(), p.shown.end());
    row.resize(header.size(), "-");
    table.add(row);
  }
  print_text("{}\n\n{}", section.title, table.text());
  for (int number : mine)
    if (const Point& p = points[std::size_t(number)]; !p.problem.empty())
      print_text("\npoint {} cannot be run: {}", number, p.problem);
  print_text("\n");
}
}  // namespace

int sweep(const SweepOptions& options) {
  if (options.jobs < 1) throw ConfigError::placed(fmt::format("--jobs: expected at least 1, got {}", options.jobs));
  if (options.shards < 1 || options.shard < 1 || options.shard > options.shards)
    throw ConfigError::placed(
        fmt::format("--shard: expected I/N with 1 <= I <= N, got {}/{}", options.shard, options.shards));
  const std::string sweep_file = catalogue_file("scenarios", options.file, "sweep");
  const SweepSection section = read_sweep(sweep_file);
  const std::string file = catalogue_file("scenarios", section.scenario, "scenario", {sweep_file});

  if (!grid_affordable(section, sweep_file, file, options)) return 0;
  std::vector<Point> points = grid(section);
  std::vector<int> mine;
  for (int i = options.shard - 1; i < int(points.size()); i += options.shards) mine.push_back(i);
  SweepPart part{read_file(sweep_file), {}, std::int64_t(points.size()), options.shard, options.shards};
  for (const SweepAxis& axis : section.vary) part.axes.push_back(axis.key);
  SweepOutput output(options.output, std::move(part), mine);
  const auto run_one = [&](std::size_t k) {
    Point& point = points[std::size_t(mine[k])];
    run_point(section, file, mine[k], point);
    output.add(mine[k], point);
  };
  try {
    if (!run_all("point", mine.size(), options.jobs, run_one)) stop_if_interrupted();
  } catch (const Interrupted&) {
    throw Interrupted(output.left());
  }
  output.finish();
  print(section, points, mine);
  print_text("results in {}\n", options.output);
  return std::ranges::any_of(mine, [&](int i) { return points[std::size_t(i)].problem.empty(); }) ? 0 : 1;
}
}  // namespace moesim::runs
