// How many instances of a pool a daily curve asks for.
#pragma once
#include <vector>

#include "core/units.h"

namespace moesim::serving {

struct Autoscale {
  std::vector<double> curve;  ///< share of the instances wanted at equal distances over the period; empty: always all
  Time period = 86400_s, start{}, check = 60_s;
  static void fields(auto& f, auto& p) {
    f("curve", p.curve, "share of the instances wanted at equal distances over the period; empty: always all");
    f("period", p.period, "length of the curve");
    f("start", p.start, "time of day at which the run begins");
    f("check", p.check, "interval between decisions");
  }
};

/// Instances that the curve asks for at `at`, of `all`; at least 1.
int wanted(const Autoscale& scale, int all, Time at);

/// How many serve from when on: those that are started serve a start-up time after the decision, which looks as far
/// ahead.  The first entry is at time zero.
struct ScaleStep {
  Time from{};
  int on = 1;
};
std::vector<ScaleStep> scale_steps(const Autoscale& scale, int all, Time start_up, Time duration);
}  // namespace moesim::serving
