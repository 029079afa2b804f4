// How balance falls while a plan ages: windows of the same traffic in order, so many minutes apart.
#include <fmt/format.h>

#include <algorithm>

#include "placing/place.h"
#include "results/summary.h"

namespace moesim::placing {

std::vector<DriftPoint> drift_curves(const PlaceOptions& o, const PlaceResult& result) {
  std::vector<DriftPoint> out;
  if (o.window_minutes <= 0) return out;
  for (const PlaceRow& r : result.rows) {
    const std::size_t last = result.sources[r.planned].members.back();
    if (r.scored < last) continue;  // before the plan
    const double minutes = double(r.scored - last) * o.window_minutes;
    auto at = std::ranges::find_if(out, [&](const DriftPoint& p) {
      return p.strategy == r.strategy && p.slots == r.slots && p.minutes == minutes;
    });
    if (at == out.end()) at = out.insert(out.end(), {r.strategy, r.slots, minutes, 0, 1, 0, 0});
    at->balance += r.score.balancedness;
    at->least = std::min(at->least, r.score.balancedness);
    at->regret += r.score.gap;
    ++at->plans;
  }
  for (DriftPoint& p : out) {
    p.balance /= p.plans;
    p.regret /= p.plans;
  }
  return out;
}

std::string drift_table(const PlaceOptions& o, const PlaceResult& result) {
  const std::vector<DriftPoint> curves = drift_curves(o, result);
  if (curves.empty()) return "";
  std::vector<double> ages;
  for (const DriftPoint& p : curves)
    if (std::ranges::find(ages, p.minutes) == ages.end()) ages.push_back(p.minutes);
  std::ranges::sort(ages);
  const auto table_of = [&](const char* title, auto text) {
    std::vector<std::string> header{title, "slots"};
    for (const double minutes : ages) header.push_back(fmt::format("{:.4g} min", minutes));
    results::TextTable table(header);
    std::vector<std::pair<std::string, int>> done;
    for (const DriftPoint& of : curves) {
      if (std::ranges::find(done, std::pair(of.strategy, of.slots)) != done.end()) continue;
      done.emplace_back(of.strategy, of.slots);
      std::vector<std::string> line{of.strategy, fmt::to_string(of.slots)};
      for (const double minutes : ages) {
        const auto at = std::ranges::find_if(curves, [&](const DriftPoint& p) {
          return p.strategy == of.strategy && p.slots == of.slots && p.minutes == minutes;
        });
        line.push_back(at == curves.end() ? "-" : text(*at));
      }
      table.add(line);
    }
    return table.text();
  };
  return fmt::format("\nby minutes since the last window planned from, mean over plans (each from {})\n",
                     o.windows_a_plan > 1 ? fmt::format("{} windows", o.windows_a_plan) : "1 window") +
         table_of("mean/max", [](const DriftPoint& p) { return fmt::format("{:.3f}", p.balance); }) + "\n" +
         table_of("regret", [](const DriftPoint& p) { return fmt::format("{:.1f} %", p.regret * 100); });
}
}  // namespace moesim::placing
