// Whether a deployment meets its targets, judged on a window so long that the verdict stands.
#pragma once
#include <vector>

#include "sizing/trial.h"

namespace moesim::sizing {

struct Verdict {
  Trial trial;  // the longest that was simulated
  double stretch = 1;
  Figures figures;
  std::vector<Standing> standings;
  bool met = false;
  int trials = 0;
  /// Share used of the tightest target; 0 if there is none.
  double used() const { return standings.empty() ? 0 : tightest(standings)->used(); }
};

// assumed: figures of the shortest window are within this factor of those of ever longer ones; percentiles of lengths
// that vary as much as their mean move by a third where the share beyond them moves by two of its deviations
constexpr double kFar = 1.4;

/// What is judged: under which load and lengths, times the plan's, on a window how many times the shortest.
struct Terms {
  double end_to_end = 0;  // s, of a request in closed form
  double load = 1, length = 1, stretch = 1;
};

/// Simulated once, on the window asked for.
Verdict judge_once(const Plan& plan, const Deployment& deployment, const Terms& question);
/// What is close to a target is simulated again on a window twice as long, until two windows say the same.
Verdict judge(const Plan& plan, const Deployment& deployment, const Terms& question);
}  // namespace moesim::sizing
