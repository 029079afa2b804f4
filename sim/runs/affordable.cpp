#include "runs/affordable.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "core/log.h"
#include "runs/scenario.h"

namespace moesim::runs {
namespace {
constexpr std::size_t kLooked = 64;  // points of a sweep that are estimated at most; more are probed along its axes

std::string in_brackets(const std::string& key) { return key.empty() ? "" : " (" + key + ")"; }

/// Point `number` of a grid whose last axis varies fastest.
std::vector<std::size_t> place_of(std::size_t number, const std::vector<std::size_t>& axes) {
  std::vector<std::size_t> out(axes.size());
  for (std::size_t a = axes.size(); a-- > 0; number /= axes[a]) out[a] = number % axes[a];
  return out;
}

/// Those that are looked at: all, or the first point and every single step from it along one axis.
std::vector<std::vector<std::size_t>> probes(const std::vector<std::size_t>& axes, double points) {
  std::vector<std::vector<std::size_t>> out;
  if (points <= double(kLooked)) {
    for (std::size_t i = 0; i < std::size_t(points); ++i) out.push_back(place_of(i, axes));
    return out;
  }
  const std::size_t each = std::max<std::size_t>(2, kLooked / axes.size());
  for (std::size_t a = 0; a < axes.size(); ++a)
    for (std::size_t k = 0; k < std::min(each, axes[a]); ++k) {
      out.emplace_back(axes.size());
      out.back()[a] = axes[a] <= each ? k : k * (axes[a] - 1) / (each - 1);  // both ends, and evenly between
    }
  return out;
}
}  // namespace

MemoryBound bound_of(const Limits& limits) {
  if (limits.memory) return {limits.memory->v, "--limit-memory"};
  return memory_bound();
}

std::string estimate_text(const Estimate& e, const MemoryBound& bound) {
  const Estimate::Part& most = e.largest();
  return fmt::format(
      "memory  about {}, most of it ({}) for {}{}; the limit is {} ({})\n"
      "events  about {}{}\n"
      "time    about {} on one core\n",
      rounded_bytes(e.bytes()), rounded_bytes(most.bytes), most.what, in_brackets(most.key),
      rounded_bytes(double(bound.bytes)), bound.whose, rounded_count(e.events), in_brackets(e.events_key),
      rounded_time(e.seconds));
}

void refuse_above(const Estimate& e, const MemoryBound& bound, const Config& config) {
  if (!(e.bytes() <= double(bound.bytes))) {
    const Estimate::Part& most = e.largest();
    config.fail_below(most.key, fmt::format("would need about {} of memory, {} for {}; the limit is {} ({}){}",
                                            rounded_bytes(e.bytes()), rounded_bytes(most.bytes), most.what,
                                            rounded_bytes(double(bound.bytes)), bound.whose,
                                            bound.whose == "--limit-memory" ? "" : "; --limit-memory sets another"));
  }
  if (!(e.events <= kMostEvents))
    config.fail_below(e.events_key,
                      fmt::format("would take about {} events and {}; a run has at most {}", rounded_count(e.events),
                                  rounded_time(e.seconds), rounded_count(kMostEvents)));
}

namespace {
/// Whether what takes `e` is to start.  heading: what a dry run prints above it; config: where its keys are.
bool decided(const Estimate& e, const std::string& heading, const Config& config, const Limits& limits) {
  const MemoryBound bound = bound_of(limits);
  if (limits.dry_run) {
    print_text("{}{}", heading, estimate_text(e, bound));
    return false;
  }
  refuse_above(e, bound, config);
  limit_data(bound.bytes);
  return true;
}
}  // namespace

bool affordable(const std::string& name, const std::vector<Config::Override>& overrides, bool spans,
                const Limits& limits) {
  const Scenario scenario = load_scenario(name, overrides);
  const bool kept = spans || (scenario.config.has("spans") && read<bool>(scenario.config.at("spans")));
  Estimate e;
  try {
    e = estimate_of(scenario, kept);
  } catch (const ConfigError&) {  // the study itself says what is wrong, in its own order
    if (limits.dry_run) throw;
    limit_data(bound_of(limits).bytes);
    return true;
  }
  return decided(e, scenario.identity.title + "\n", scenario.config, limits);
}

bool affordable(const Estimate& estimate, const std::string& subject, const Limits& limits) {
  Estimate e = estimate;
  for (Estimate::Part& part : e.parts) part.key.clear();  // no scenario has them
  e.events_key.clear();
  return decided(e, "", Config::from_option(subject, "{}"), limits);
}

bool affordable_sweep(const Config& sweep, const std::vector<std::size_t>& axes, int jobs, const Limits& limits,
                      const std::function<Scenario(const std::vector<std::size_t>&)>& point) {
  double points = 1;
  for (const std::size_t n : axes) points *= double(n);
  if (points > kMostPoints)
    sweep.fail_below("vary", fmt::format("a grid of {} points; at most {} can be run", rounded_count(points),
                                         rounded_count(kMostPoints)));
  Estimate most;
  std::optional<Scenario> largest;
  double seconds = 0;
  std::size_t looked = 0;
  std::exception_ptr problem;
  for (const auto& place : probes(axes, points)) {
    try {  // what cannot be run is told of its point, later
      Scenario scenario = point(place);
      Estimate e = estimate_of(scenario, false);
      seconds += e.seconds;
      ++looked;
      if (largest && e.bytes() <= most.bytes()) continue;
      most = std::move(e);
      largest = std::move(scenario);
    } catch (const ConfigError&) {
      if (!problem) problem = std::current_exception();
    }
  }
  if (!largest && limits.dry_run && problem) std::rethrow_exception(problem);
  if (!largest) return true;
  const double at_once = std::min(double(jobs), points);
  for (Estimate::Part& part : most.parts) part.bytes *= at_once;
  // assumed: a point's values, places and the rows that wait to be written, and its results while it runs.
  most.hold("vary", rounded_count(points) + " points", points * 2e3 + at_once * 4e6);
  most.seconds = seconds / double(looked) * points / at_once;
  const std::string heading =
      fmt::format("{} points, {} at once; the largest as follows, time of all\n", rounded_count(points), at_once);
  return decided(most, heading, most.largest().key == "vary" ? sweep : largest->config, limits);
}
}  // namespace moesim::runs
