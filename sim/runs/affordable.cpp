#include "runs/affordable.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "core/log.h"
#include "runs/scenario.h"

namespace moesim::runs {
namespace {
std::string in_brackets(const std::string& key) { return key.empty() ? "" : " (" + key + ")"; }
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

std::string timeline_text(const Estimate::Spans& all, const results::SpanFilter& filter) {
  constexpr double kSpan = 110;  // measured, bytes of JSON: 108 in training steps, 98 in serving
  double count = all.count;
  if (!filter.gpus.empty() && all.gpus > 0) count *= std::min(1.0, double(filter.gpus.size()) / all.gpus);
  const double end = all.until > 0 ? all.until : 1e18;
  const double window = std::min(seconds(filter.to), end) - std::min(seconds(filter.from), end);
  if (all.until > 0) count *= std::max(0.0, window) / all.until;
  const bool cut = all.until == 0 && (filter.from.v > 0 || filter.to.v < INT64_MAX);  // of a length not known before
  const bool chosen = !filter.gpus.empty() && (filter.from.v > 0 || filter.to.v < INT64_MAX);
  const std::string size =
      fmt::format("{} {} ({} spans)", cut ? "at most" : "about", rounded_bytes(count * kSpan), rounded_count(count));
  if (chosen || cut || count * kSpan <= kMostTimeline) return size;
  return fmt::format(
      "at most 50 MB of {}: with fewer GPUs, then without links, then without the end; --timeline-gpus "
      "and --timeline-window choose",
      size);
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

bool affordable(const std::string& name, const std::vector<Config::Override>& overrides,
                const results::SpanFilter* timeline, const Limits& limits) {
  const Scenario scenario = load_scenario(name, overrides);
  const bool kept = timeline != nullptr || (scenario.config.has("spans") && read<bool>(scenario.config.at("spans")));
  Estimate e;
  try {
    e = estimate_of(scenario, kept);
  } catch (const ConfigError&) {  // the study itself says what is wrong, in its own order
    if (limits.dry_run) throw;
    limit_data(bound_of(limits).bytes);
    return true;
  }
  const std::string size = timeline != nullptr && e.spans.count > 0 ? timeline_text(e.spans, *timeline) : "";
  if (!decided(e, scenario.identity.title + "\n", scenario.config, limits)) {
    if (!size.empty()) print_text("timeline  {}\n", size);
    return false;
  }
  if (!size.empty()) say("timeline: " + size);
  return true;
}

bool affordable(const Estimate& estimate, const std::string& subject, const Limits& limits) {
  Estimate e = estimate;
  for (Estimate::Part& part : e.parts) part.key.clear();  // no scenario has them
  e.events_key.clear();
  return decided(e, "", Config::from_option(subject, "{}"), limits);
}

bool affordable_sweep(const Config& sweep, std::size_t points, const std::vector<std::size_t>& looked_at, int jobs,
                      const Limits& limits, const std::function<Scenario(std::size_t)>& point) {
  Estimate most;
  std::optional<Scenario> largest;
  double seconds = 0;
  std::size_t looked = 0;
  std::exception_ptr problem;
  for (const std::size_t number : looked_at) {
    try {  // what cannot be run is told of its point, later
      Scenario scenario = point(number);
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
  const double at_once = std::min(double(jobs), double(points));
  for (Estimate::Part& part : most.parts) part.bytes *= at_once;
  // assumed: a point's values, places and the rows that wait to be written, and its results while it runs.
  most.hold("vary", rounded_count(double(points)) + " points", double(points) * 2e3 + at_once * 4e6);
  most.seconds = seconds / double(looked) * double(points) / at_once;
  const std::string heading = fmt::format("{} points, {} at once; the largest as follows, time of all\n",
                                          rounded_count(double(points)), at_once);
  return decided(most, heading, most.largest().key == "vary" ? sweep : largest->config, limits);
}
}  // namespace moesim::runs
