#include "sizing/variations.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runs/parallel.h"

namespace moesim::sizing {
namespace {
constexpr double kStep = 0.2;     // of load and lengths
constexpr double kRelaxed = 1.5;  // times a target
constexpr double kTight = 0.6;    // share of a target in use from which on relaxing it is looked at

Variation resized(const Plan& plan, Entry entry, std::string what, double load, double length) {
  entry.fate = Fate::pruned;
  entry.reason.clear();
  for (double& need : entry.need) need *= load * length;
  // More load takes about as many more instances: from there on some are taken away, which is sooner done than added.
  for (int& n : entry.deployment.instances) n = std::max(n, int(std::ceil(n * load * length - 1e-9)));
  fit_to_limits(plan, entry);
  Variation out{std::move(what)};
  out.met = minimise(plan, entry, 1e300, load, length);
  out.gpus = entry.deployment.gpus();
  out.cost_per_hour = entry.deployment.cost_per_hour();
  out.standing = entry.reason;
  return out;
}

/// The largest load, times the plan's, that this deployment carries, in steps of a 32nd, of more from twice the load
/// on: farther each time until it does not, then bisection; on the same random numbers.  What is far too much is not
/// tried, since an overloaded service takes longest to simulate.
double capacity(const Plan& plan, const Entry& entry, const Deployment& d) {
  constexpr int kSteps = 32, kMost = 63 * kSteps;
  const double end = end_to_end(plan, entry);
  const auto load_of = [](int step) { return 1 + double(step) / kSteps; };
  const auto meets = [&](int step) {
    Trial trial = trial_for(plan, end);
    trial.load = load_of(step);
    return all_met(standings(plan.section.targets, simulate(plan, d, trial)));
  };
  if (!meets(0)) return 0;
  int low = 0, high = 1;
  while (high < kMost && meets(high)) low = high, high = std::min(2 * high, kMost);
  while (high - low > std::max(1, (kSteps + low) / (2 * kSteps)))
    (meets((low + high) / 2) ? low : high) = (low + high) / 2;
  return load_of(low);
}
}  // namespace

std::vector<Variation> vary(const Plan& plan, const Entry& winner, int jobs, const std::function<void()>& also) {
  std::vector<std::function<Variation()>> tasks;
  for (const double change : {1 - kStep, 1 + kStep, 2.0})
    tasks.push_back([&plan, &winner, change] {
      return resized(plan, winner, fmt::format("load {:+.0f} %", (change - 1) * 100), change, 1);
    });
  if (!plan.input.empty() && !plan.output.empty())
    for (const double change : {1 - kStep, 1 + kStep})
      tasks.push_back([&plan, &winner, change] {
        return resized(plan, winner, fmt::format("prompts and answers {:+.0f} %", (change - 1) * 100), 1, change);
      });
  const auto all = standings(plan.section.targets, *winner.figures);
  for (std::size_t i = 0; i < kLatencies.size(); ++i) {
    const auto at = std::ranges::find(all, kLatencies[i], &Standing::target);
    if (at == all.end() || at->used() < kTight) continue;
    tasks.push_back([&plan, &winner, i] {
      Plan relaxed = plan;
      relaxed.section.targets.latency[i] = *plan.section.targets.latency[i] * 3 / 2;
      return resized(relaxed, winner, fmt::format("{} x {}", kLatencies[i], kRelaxed), 1, 1);
    });
  }
  for (std::size_t p = 0; p < winner.deployment.pools.size() + 1; ++p)
    tasks.push_back([&plan, &winner, p] {
      Deployment d = winner.deployment;
      if (p > 0) ++d.instances[p - 1];
      Variation out{p == 0 ? "as it is" : fmt::format("one more of {}", name_of(d.pools[p - 1].role)), true, d.gpus(),
                    d.cost_per_hour(), ""};
      const double load = capacity(plan, winner, d);
      out.standing = fmt::format("carries {:.0f} % of the load", load * 100);
      return out;
    });
  std::vector<Variation> out(tasks.size());
  // Those that take longest begin first: how much load is carried, many simulations one after the other.
  const std::size_t more = also ? 1 : 0;
  runs::run_all("variations of the plan", tasks.size() + more, jobs, [&](std::size_t k) {
    if (k < more) return also();
    const std::size_t last = tasks.size() - 1 - (k - more);
    out[last] = tasks[last]();
  });
  stop_if_interrupted();
  return out;
}
}  // namespace moesim::sizing
