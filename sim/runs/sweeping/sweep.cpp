#include "runs/sweeping/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "core/files.h"
#include "core/log.h"
#include "core/terminal.h"
#include "runs/parallel.h"
#include "runs/sweeping/first_look.h"
#include "runs/sweeping/points.h"
#include "runs/sweeping/sweep_answer.h"
#include "runs/sweeping/sweep_output.h"

namespace moesim::runs {
namespace {
constexpr int kOurFault = 70;

/// Runs one point.  What goes wrong becomes its problem: the others go on.
void run_point(const Sweep& sweep, int number, Point& point) {
  const auto failed = [&](const std::string& problem, bool fault) {
    point.problem = problem;
    point.fault = fault;
    point.rows.clear();
    point.shown.clear();
  };
  try {
    const Scenario scenario = scenario_of(sweep, point);
    results::Results results(":memory:", scenario.identity);
    results::SpanLog spans;
    simulate(scenario, results, spans);
    stop_if_interrupted();  // half a run is no point
    for (std::string_view table : kSweptTables)
      point.rows[std::string(table)] = rows_of(results.database(), table, number + 1);
    for (const std::string& name : sweep.section.show)
      point.shown.push_back(results.has_metric(name) ? std::optional(results.metric_value(name)) : std::nullopt);
  } catch (const ConfigError& e) {
    failed(e.what(), false);
  } catch (const Interrupted&) {
    throw;
  } catch (const std::bad_alloc&) {
    failed("memory ran out; fewer --jobs leave more to each point", false);
  } catch (const std::exception& e) {
    failed(fmt::format("moesim failed: {}", e.what()), true);
  }
}

bool may_start(const Sweep& sweep, const std::vector<Point>& points, const SweepOptions& options) {
  return affordable_sweep(sweep.config, points.size(), points_to_look_at(sweep, points.size()), options.jobs,
                          options.limits, [&](std::size_t i) { return scenario_of(sweep, points[i]); });
}

/// A model, a GPU or a trace that the scenario names may be another by now: one point that is stored is run again.
void check_unchanged(const Sweep& sweep, const std::vector<Point>& points, bool nothing_is_missing,
                     const SweepOutput& output) {
  if (nothing_is_missing) return;
  for (const int number : output.held()) {
    Point again = points[std::size_t(number)];
    run_point(sweep, number, again);
    if (!output.agrees(number, again))
      throw ConfigError::placed(
          fmt::format("point {} comes out otherwise than it is stored: something that its scenario "
                      "names has changed; {} stays as it is",
                      number, output.file()));
    return;
  }
}

void run_missing(const Sweep& sweep, std::vector<Point>& points, const std::vector<int>& mine, int jobs,
                 SweepOutput& output) {
  std::vector<int> missing;
  for (const int number : mine)
    if (output.held().contains(number))
      output.read(number, sweep.section.show, points[std::size_t(number)]);
    else
      missing.push_back(number);
  check_unchanged(sweep, points, missing.empty(), output);
  const auto run_one = [&](std::size_t k) {
    Point& point = points[std::size_t(missing[k])];
    run_point(sweep, missing[k], point);
    output.add(missing[k], point);
  };
  try {
    if (!run_all("points", missing.size(), jobs, run_one)) stop_if_interrupted();
  } catch (const Interrupted&) {
    throw Interrupted(output.left());
  }
  output.finish();
}
}  // namespace

int sweep(const SweepOptions& options) {
  if (options.jobs < 1) throw ConfigError::placed(fmt::format("--jobs: expected at least 1, got {}", options.jobs));
  if (options.shards < 1 || options.shard < 1 || options.shard > options.shards)
    throw ConfigError::placed(
        fmt::format("--shard: expected I/N with 1 <= I <= N, got {}/{}", options.shard, options.shards));
  const Sweep sweep = read_sweep(options.file);
  std::vector<Point> points = points_of(sweep);
  look_at_points(sweep, points);
  if (!may_start(sweep, points, options)) return 0;
  try_points(sweep, points);
  std::vector<int> mine;
  for (int i = options.shard - 1; i < int(points.size()); i += options.shards) mine.push_back(i);
  SweepOutput output(options.output,
                     {sweep.text, read_file(sweep.scenario), sweep.axes(), std::int64_t(points.size()), options.shard,
                      options.shards, options.file},
                     mine, options.resume);
  if (!output.held().empty())
    say(fmt::format("{} holds {} of {} points already", options.output, output.held().size(), mine.size()));
  run_missing(sweep, points, mine, options.jobs, output);
  if (options.json)
    print_text("{}", sweep_json(sweep, points, mine));
  else
    print_folded(fmt::format("{}results in {}\n", sweep_text(sweep, points, mine), options.output));
  const auto mine_are = [&](auto&& test) {
    return std::ranges::any_of(mine, [&](int i) { return test(points[std::size_t(i)]); });
  };
  if (mine_are([](const Point& p) { return p.fault; })) return kOurFault;
  return mine_are([](const Point& p) { return p.problem.empty(); }) ? 0 : 1;
}
}  // namespace moesim::runs
