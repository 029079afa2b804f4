#include "serving/fleet/autoscale.h"

#include <algorithm>
#include <cmath>

namespace moesim::serving {

int wanted(const Autoscale& scale, int all, Time at) {
  if (scale.curve.empty()) return all;
  const std::size_t n = scale.curve.size();
  const double place = std::fmod(seconds(at + scale.start) / seconds(scale.period), 1.0) * double(n);
  const std::size_t i = std::size_t(place) % n;
  const double part = place - std::floor(place);
  const double share = scale.curve[i] * (1 - part) + scale.curve[(i + 1) % n] * part;
  return std::clamp(int(std::ceil(share * all - 1e-9)), 1, all);
}

std::vector<ScaleStep> scale_steps(const Autoscale& scale, int all, Time start_up, Time duration) {
  int have = wanted(scale, all, start_up);  // the run begins with what the curve asks for
  std::vector<ScaleStep> changes{{Time{}, have}};
  if (!scale.curve.empty())
    for (Time at = scale.check; at <= duration; at += scale.check) {
      const int want = wanted(scale, all, at + start_up);
      if (want != have) changes.push_back({want > have ? at + start_up : at, want - have});
      have = want;
    }
  std::ranges::stable_sort(changes, {}, &ScaleStep::from);
  for (std::size_t i = 1; i < changes.size(); ++i) changes[i].on += changes[i - 1].on;
  for (ScaleStep& step : changes) step.on = std::max(1, step.on);
  return changes;
}
}  // namespace moesim::serving
