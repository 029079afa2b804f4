#include "sizing/verdict.h"

#include <algorithm>

namespace moesim::sizing {
namespace {
constexpr double kMostStretch = 4;

/// Whether requests may be piling up, too slowly for this window.
bool is_doubtful(const Verdict& v) { return v.met && v.figures.overloaded; }

/// Whether a longer window could say otherwise.  Of requests that pile up, latencies only grow; that they do is certain
/// where the closed forms say so too.
bool is_decided(const Verdict& v) {
  const double used = v.used();
  if (is_doubtful(v)) return false;
  const bool grows = v.figures.piled_up > 0 && (v.figures.overloaded || tightest(v.standings)->target != "served");
  return used > kFar || used < 1 / kFar || grows;
}
}  // namespace

Verdict judge_once(const Plan& plan, const Deployment& d, const Terms& q) {
  Verdict out;
  out.stretch = q.stretch;
  out.trial = trial_for(plan, q.end_to_end * q.length, q.stretch, q.load);
  out.trial.length = q.length;
  out.figures = simulate(plan, d, out.trial);
  out.standings = standings(plan.section.targets, out.figures);
  out.met = all_met(out.standings);
  out.trials = 1;
  return out;
}

Verdict judge(const Plan& plan, const Deployment& d, const Terms& asked) {
  Terms q = asked;
  Verdict out = judge_once(plan, d, q);
  while (!is_decided(out) && q.stretch < kMostStretch) {
    q.stretch *= 2;
    if (trial_for(plan, q.end_to_end * q.length, q.stretch, q.load).duration == out.trial.duration)
      break;  // the plan's limit
    Verdict longer = judge_once(plan, d, q);
    longer.trials += out.trials;
    const bool same = longer.met == out.met;
    out = std::move(longer);
    if (same && !is_doubtful(out)) break;
  }
  return out;
}
}  // namespace moesim::sizing
