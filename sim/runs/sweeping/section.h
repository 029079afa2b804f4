// What a sweep's file says.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/key_help.h"
#include "runs/sweeping/design.h"

namespace moesim::runs {

enum class AxisScale { linear, log };
constexpr auto enum_names(AxisScale) {
  return std::to_array<std::pair<std::string_view, AxisScale>>(
      {{"linear", AxisScale::linear}, {"log", AxisScale::log}});
}

struct SweepAxis {
  std::string key;             // path in the scenario
  std::vector<Config> values;  // or a range:
  std::optional<Config> from, to;
  int steps = 0;  // 0: anywhere within it
  AxisScale scale = AxisScale::linear;
  bool whole = false;
  static void fields(auto& f, auto& p) {
    f.required("key", p.key, "path of the value to vary, for example training.schedule");
    f("values", p.values, "what it takes in turn: numbers, words, or maps on one line");
    f("from", p.from, "instead of values: the lower end of a range of numbers, or of times, sizes, ... with a unit");
    f("to", p.to, "its upper end, in the same unit");
    f("steps", p.steps,
      "values from end to end, evenly apart; designs that draw their points take one of these, or left out any in "
      "between");
    f("scale", p.scale, "of a range, between its ends");
    f("whole", p.whole, "a range's values are rounded to whole numbers");
  }
  bool is_range() const { return from.has_value(); }
  /// 0 for a range without steps.
  std::size_t count() const { return is_range() ? std::size_t(steps) : values.size(); }
};

/// An end of a range: a number and its unit, "" if it has none.  Throws ConfigError at its place.
struct RangeEnd {
  double value = 0;
  std::string unit{};
};
RangeEnd range_end(const Config& written);

struct SweepSection {
  std::string title, scenario;
  std::vector<SweepAxis> vary;
  std::optional<Config> seeds;
  std::vector<std::string> set, show{"step_time"};
  static void fields(auto& f, auto& p) {
    f("title", p.title, "what the sweep asks");
    f.required("scenario", p.scenario, "the scenario to vary: a file beside this one, or a name");
    f.required("vary", p.vary, "the axes");
    f("seeds", p.seeds,
      "each point runs with each of these seeds ([3, 8, 9]), or with as many (5), and means are shown with their "
      "95 % confidence intervals; left out: the scenario's own");
    f("set", p.set, "values that all points share: key.path=value");
    f("show", p.show, "metrics to print for each point");
    f.skip("design");
  }
};

/// A sweep's file, read and checked before anything runs.
struct Sweep {
  std::string file, text, scenario;  // where it is, what it says, where its scenario is
  Config config;
  SweepSection section;
  std::unique_ptr<SweepDesign> design;
  std::vector<std::uint64_t> seeds;  // empty: the scenario's own

  /// Keys that vary; the last one is `seed` where there are several.
  std::vector<std::string> axes() const;
};

/// Keys of a sweep's file.
std::vector<KeyHelp> sweep_keys();
/// By name or file.  Throws ConfigError, at its place, for axes without values, with both or half of a range, metrics
/// that no run has, and what would have no effect.
Sweep read_sweep(const std::string& name);
}  // namespace moesim::runs
