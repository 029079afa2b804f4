#include "runs/sweeping/points.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/elementary.h"
#include "core/estimate.h"
#include "core/yaml_line.h"
#include "runs/affordable.h"

namespace moesim::runs {
namespace {
constexpr std::size_t kLooked = 64;  // points that are looked at, at most

/// A value as it is shown, and set at its key: a word as it is.
std::string text_of(const Config& value) { return value.is_scalar() ? value.text() : yaml_line(value); }

/// Of a range, `part` of the way from its lower to its upper end.
std::string within(const SweepAxis& axis, double part) {
  const auto [from, unit] = range_end(*axis.from);
  const double to = range_end(*axis.to).value;
  const double value = axis.scale == AxisScale::log ? from * pow_of(to / from, part) : from + part * (to - from);
  return fmt::format("{}{}{}", axis.whole ? fmt::format("{:.0f}", std::round(value)) : fmt::format("{:.6g}", value),
                     unit.empty() ? "" : " ", unit);
}

std::string step_of(const SweepAxis& axis, std::size_t k) { return within(axis, double(k) / (axis.steps - 1)); }

/// A range's steps are so many values.
void check_steps(const SweepAxis& axis, const Config& written) {
  for (int k = 1; k < axis.steps; ++k)
    if (const std::string value = step_of(axis, std::size_t(k)); value == step_of(axis, std::size_t(k - 1)))
      written.at("steps").fail(fmt::format("{} steps give {} more than once{}; take fewer", axis.steps, value,
                                           axis.whole ? ", rounded to whole numbers" : ""));
}

void take(const SweepAxis& axis, const Config& written, double place, Point& point) {
  const auto n = double(axis.count());
  const auto k = std::size_t(place * n);
  if (!axis.is_range()) {
    point.values.push_back(text_of(axis.values[k]));
    point.places.push_back(axis.values[k].place());
  } else {
    point.values.push_back(axis.steps > 0 ? step_of(axis, k) : within(axis, place));
    point.places.push_back(written.at("from").place());
  }
}

std::vector<std::size_t> sizes_of(const Sweep& sweep) {
  std::vector<std::size_t> out;
  for (const SweepAxis& axis : sweep.section.vary) out.push_back(axis.count());
  return out;
}
}  // namespace

std::vector<Point> points_of(const Sweep& sweep) {
  const std::vector<std::size_t> sizes = sizes_of(sweep);
  const Config vary = sweep.config.at("vary");
  const std::size_t seeds = std::max<std::size_t>(1, sweep.seeds.size());
  const double count = vary.placed([&] { return sweep.design->count(sizes); }) * double(seeds);
  if (count > kMostPoints)
    vary.fail(fmt::format("a {} of {} points; at most {} can be run", sweep.design->is_grid() ? "grid" : "sweep",
                          rounded_count(count), rounded_count(kMostPoints)));
  const std::vector<Config> axes = vary.items();
  for (std::size_t a = 0; a < axes.size(); ++a)
    if (sweep.section.vary[a].is_range()) check_steps(sweep.section.vary[a], axes[a]);
  std::vector<Point> out;
  for (const std::vector<double>& place : sweep.design->places(sizes)) {
    Point point;
    for (std::size_t a = 0; a < place.size(); ++a) take(sweep.section.vary[a], axes[a], place[a], point);
    if (sweep.seeds.empty()) out.push_back(point);
    for (const std::uint64_t seed : sweep.seeds) {
      out.push_back(point);
      out.back().values.push_back(fmt::to_string(seed));
      out.back().places.push_back(sweep.config.at("seeds").place());
    }
  }
  return out;
}

std::vector<std::size_t> points_to_look_at(const Sweep& sweep, std::size_t points) {
  std::vector<std::size_t> out;
  const auto each_of = [&](std::size_t n, std::size_t most, auto&& use) {  // both ends, and evenly between
    for (std::size_t k = 0; k < std::min(n, most); ++k) use(n <= most ? k : k * (n - 1) / (most - 1));
  };
  if (points <= kLooked || !sweep.design->is_grid()) {
    each_of(points, kLooked, [&](std::size_t i) { out.push_back(i); });
    return out;
  }
  const std::vector<std::size_t> sizes = sizes_of(sweep);
  const std::size_t most = std::max<std::size_t>(2, kLooked / sizes.size());
  std::size_t step = std::max<std::size_t>(1, sweep.seeds.size());  // from one value of the axis to its next
  for (std::size_t a = sizes.size(); a-- > 0; step *= sizes[a])
    each_of(sizes[a], most, [&](std::size_t k) { out.push_back(k * step); });
  return out;
}

Scenario scenario_of(const Sweep& sweep, const Point& point) {
  std::vector<Config::Override> overrides;
  for (const std::string& text : sweep.section.set) {
    const std::size_t equals = text.find('=');  // there: read_sweep() has looked
    overrides.push_back({text.substr(0, equals), text.substr(equals + 1)});
  }
  const std::vector<std::string> axes = sweep.axes();
  for (std::size_t axis = 0; axis < axes.size(); ++axis)
    overrides.push_back({axes[axis], point.values[axis], point.places[axis]});
  return load_scenario(sweep.scenario, overrides);
}
}  // namespace moesim::runs
