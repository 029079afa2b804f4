#include "sizing/variations.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

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
  out.met = minimise(plan, entry, 1e300, {.load = load, .length = length});
  out.gpus = entry.deployment.gpus();
  out.cost_per_hour = entry.deployment.cost_per_hour();
  out.standing = entry.reason;
  if (out.met) out.standing = text_of(*tightest(standings(plan.section.targets, *entry.figures)));
  return out;
}

/// All on the same random numbers.  What is far too much is not tried, since an overloaded service takes longest to
/// simulate.
class Capacity {
 public:
  Capacity(const Plan& plan, const Entry& entry, const Deployment& d)
      : plan_(plan), deployment_(d), end_(end_to_end(plan, entry)) {}

  /// from: a load that it may carry.  Found on the shortest window; then on windows twice as long, until the load below
  /// and the one above say the same there.
  double find(double from) {
    int low = std::clamp(int(std::floor((from - 1) * kSteps + 1e-9)), kLeast, kMost - 1);
    int high = low + 1;
    for (stretch_ = 1; stretch_ <= kMostStretch; stretch_ *= 2) {
      if (stretch_ > 1 && meets(low) && (far_ || !meets(high))) break;
      bracket(low, high);
      if (low < kLeast) return 0;
      far_ = used_ > kFar;
    }
    return load_of(low);
  }

 private:
  static constexpr int kSteps = 32, kLeast = 1 - kSteps, kMost = 63 * kSteps;
  static constexpr double kMostStretch = 4, kFar = 1.4;  // as verdicts are decided (verdict.cpp)
  static double load_of(int step) { return 1 + double(step) / kSteps; }

  bool meets(int step) {
    if (step < kLeast) return true;  // nothing
    const Verdict v = judge_once(plan_, deployment_, {.end_to_end = end_, .load = load_of(step), .stretch = stretch_});
    if (!v.met) used_ = v.used();
    return v.met;
  }
  /// Farther each time, down or up, until one side meets and the other does not; then bisection.
  void bracket(int& low, int& high) {
    if (meets(low)) {
      for (int by = 1; high < kMost && meets(high); by *= 2) low = high, high = std::min(high + by, kMost);
    } else {
      high = low;
      for (int by = 1; low >= kLeast; by *= 2) {
        low = std::max(high - by, kLeast - 1);
        if (meets(low)) break;
        high = low;
      }
    }
    while (high - low > std::max(1, (kSteps + low) / (2 * kSteps))) {
      const int middle = (low + high) / 2;
      (meets(middle) ? low : high) = middle;
    }
  }

  const Plan& plan_;
  const Deployment& deployment_;
  double end_, stretch_ = 1, used_ = 0;
  bool far_ = false;  // the load above misses by so much that a longer window says the same
};

/// With its instances, and with one more of a pool: more of them than may be had say so.
Variation carries(const Plan& plan, const Entry& winner, std::size_t more, double from, double* load = nullptr) {
  Deployment d = winner.deployment;
  if (more > 0) ++d.instances[more - 1];
  Variation out{more == 0 ? "as it is" : fmt::format("one more of {}", name_of(d.pools[more - 1].role)), true, d.gpus(),
                d.cost_per_hour(), ""};
  const double found = capacity(plan, winner, d, from);
  out.standing = fmt::format("carries {:.0f} % of the load", found * 100);
  const auto sizes = standings_of_size(plan.section.targets, d);
  out.met = all_met(sizes);
  if (!out.met) out.standing = text_of(*tightest(sizes)) + ", " + out.standing;
  if (load != nullptr) *load = found;
  return out;
}
}  // namespace

double capacity(const Plan& plan, const Entry& entry, const Deployment& d, double from) {
  return Capacity(plan, entry, d).find(from);
}

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
  double load = 1;
  tasks.push_back([&] { return carries(plan, winner, 0, 1, &load); });
  std::vector<Variation> out(tasks.size());
  // Those that take longest begin first: how much load is carried, many simulations one after the other.
  const std::size_t besides = also ? 1 : 0;
  runs::run_all("variations of the plan", tasks.size() + besides, jobs, [&](std::size_t k) {
    if (k < besides) return also();
    const std::size_t last = tasks.size() - 1 - (k - besides);
    out[last] = tasks[last]();
  });
  stop_if_interrupted();
  // More carries what less does: where that ends, its search begins.
  const std::size_t pools = winner.deployment.pools.size();
  std::vector<Variation> more(pools);
  runs::run_all("", pools, jobs, [&](std::size_t p) { more[p] = carries(plan, winner, p + 1, std::max(load, 1.0)); });
  stop_if_interrupted();
  std::ranges::move(more, std::back_inserter(out));
  return out;
}
}  // namespace moesim::sizing
