#include "sizing/variations.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <future>
#include <map>

#include "runs/parallel.h"

namespace moesim::sizing {
namespace {
constexpr double kStep = 0.2;     // of load and lengths
constexpr double kRelaxed = 1.5;  // times a target
constexpr double kTight = 0.6;    // share of a target in use from which on relaxing it is looked at

/// relaxed: under other targets, so that what was not enough may be.
Variation resized(const Plan& plan, Entry entry, std::string what, double load, double length, bool relaxed = false) {
  entry.fate = Fate::pruned;
  if (load < 1 || length < 1 || relaxed) entry.missed.clear();
  for (double& need : entry.need) need *= load * length;
  // More load takes about as many more instances.
  for (int& n : entry.deployment.instances) n = std::max({1, n, int(std::lround(n * load * length))});
  fit_to_limits(plan, entry);
  Variation out{std::move(what)};
  out.met = minimise(plan, entry, 1e300, {.load = load, .length = length});
  out.gpus = entry.deployment.gpus();
  out.cost_per_hour = entry.deployment.cost_per_hour();
  out.standing = entry.reason;
  if (out.met) out.standing = text_of(*tightest(standings(plan.section.targets, *entry.figures)));
  return out;
}

constexpr int kSteps = 16;                               // of the plan's load: finer than chance is on such windows
constexpr int kLeast = 1 - kSteps, kMost = 63 * kSteps;  // looked at

/// The largest load that a deployment carries, all on the same random numbers.  The shortest window brackets it, since
/// an overloaded service takes longest to simulate; a window four times as long decides, as verdicts do (verdict.cpp).
class Capacity {
 public:
  Capacity(const Plan& plan, const Entry& entry, const Deployment& d)
      : plan_(plan), deployment_(d), end_(end_to_end(plan, entry)) {}

  /// In steps from the plan's load; kLeast - 1: none.
  int find() {
    int low = 0, high = kSteps / 4;
    bracket(low, high, kShort, kSteps / 4);
    bisect(low, high, kShort, kSteps / 8);
    return decide(low, high);
  }
  /// Of what carries `from` and with an instance more should carry more, to an eighth: `from` itself if no eighth more
  /// shows.  Short windows say little here: what has more room takes longer to fill.
  int find_beyond(int from) {
    const int least = from + 2 * width(from);
    if (least > kMost || !meets(least, kLong)) return from;
    int low = least, high = std::min(low + 2 * width(low), kMost);
    bracket(low, high, kLong, 2 * width(low));
    bisect(low, high, kLong, 2 * width(low));
    return low;
  }
  /// What is missed first beyond what was found: "; at 131 % it misses ttft_p90 3.53 s of 3.00 s"; "": nothing was.
  std::string missed_beyond(int found) const {
    const Seen* first = nullptr;
    int at = 0;
    for (const auto& [step_and_window, seen] : seen_) {
      const int step = step_and_window.first;
      if (step <= found || seen.met) continue;
      if (first != nullptr && step > at) break;
      first = &seen, at = step;  // the longest of its windows says most
    }
    return first == nullptr ? "" : fmt::format("; at {:.0f} % it misses {}", 100 * load_of(at), first->missed);
  }
  static double load_of(int step) { return step < kLeast ? 0 : 1 + double(step) / kSteps; }

 private:
  static constexpr double kShort = 1, kLong = 4;                                // as verdicts are decided (verdict.cpp)
  static int width(int step) { return std::max(1, (kSteps + step) / kSteps); }  // in which it is looked for

  struct Seen {
    bool met = false, far = false;  // far: it misses by so much that a longer window says the same
    std::string missed{};           // the tightest target, where it misses it
  };
  /// What is known of this load on a window at least so long; null: nothing.
  const Seen* known(int step, double stretch) const {
    // Where the plan bounds it, a longer window is the same.
    const auto at = seen_.lower_bound({step, trial_for(plan_, end_, stretch, load_of(step)).duration});
    return at != seen_.end() && at->first.first == step ? &at->second : nullptr;
  }
  bool meets(int step, double stretch) {
    if (step < kLeast || step > kMost) return step < kLeast;
    if (const Seen* seen = known(step, stretch)) return seen->met;
    const Verdict v = judge_once(plan_, deployment_, {.end_to_end = end_, .load = load_of(step), .stretch = stretch});
    seen_[{step, v.trial.duration}] = {v.met, v.used() > kFar || v.figures.piled_up > 0,
                                       v.met ? "" : text_of(*tightest(v.standings))};
    return v.met;
  }
  /// Whether a longer window would say the same of a load that is not carried.
  bool is_decided(int step) const {
    const Seen* seen = known(step, kShort);
    return step > kMost || known(step, kLong) != nullptr || (seen != nullptr && seen->far);
  }

  /// Farther each time, up from what meets or down from what does not, until one side meets and the other does not.
  void bracket(int& low, int& high, double stretch, int by) {
    if (meets(low, stretch)) {
      for (; meets(high, stretch) && high < kMost; by *= 2) low = high, high = std::min(high + by, kMost);
      if (high == kMost && meets(high, stretch)) low = kMost, ++high;
      return;
    }
    for (; !meets(low, stretch); by *= 2) high = low, low = std::max(low - by, kLeast - 1);
  }
  void bisect(int& low, int& high, double stretch, int finest) {
    while (high - low > finest) {
      const int middle = low + (high - low) / 2;
      (meets(middle, stretch) ? low : high) = middle;
    }
  }
  /// On long windows, between a load that short ones meet and one that they do not.  The lower one first: short windows
  /// say too much rather than too little.
  int decide(int low, int high) {
    if (!meets(low, kLong) || !is_decided(high)) bracket(low, high, kLong, width(low));
    bisect(low, high, kLong, width(low));
    return low;
  }

  const Plan& plan_;
  const Deployment& deployment_;
  double end_;
  std::map<std::pair<int, Time>, Seen> seen_;
};

Variation carries(const Plan& plan, const Deployment& d, std::string what, std::string standing) {
  Variation out{std::move(what), true, d.gpus(), d.cost_per_hour(), std::move(standing)};
  const auto sizes = standings_of_size(plan.section.targets, d);
  out.met = all_met(sizes);
  if (!out.met) out.standing = text_of(*tightest(sizes)) + ", " + out.standing;
  return out;
}
std::string carries_text(int step) {
  return fmt::format("carries {:.0f} % of the load{}", 100 * Capacity::load_of(step), step >= kMost ? " or more" : "");
}

/// With one more of a pool: more of them than may be had say so.
/// step: of the load that it carries as it is.
Variation with_more(const Plan& plan, const Entry& winner, std::size_t pool, int step) {
  Deployment d = winner.deployment;
  ++d.instances[pool];
  Capacity capacity(plan, winner, d);
  const int from = std::max(step, 0), found = capacity.find_beyond(from);
  return carries(plan, d, fmt::format("one more of {}", name_of(d.pools[pool].role)),
                 found > from || from >= kMost ? carries_text(found) : "carries no more than as it is");
}
}  // namespace

double capacity(const Plan& plan, const Entry& entry, const Deployment& d) {
  return Capacity::load_of(Capacity(plan, entry, d).find());
}

namespace {
using Task = std::function<Variation()>;

/// The plan under other loads, lengths and targets.
std::vector<Task> changed_plans(const Plan& plan, const Entry& winner) {
  std::vector<Task> out;
  for (const double change : {1 - kStep, 1 + kStep, 2.0})
    out.push_back([&plan, &winner, change] {
      return resized(plan, winner, fmt::format("load {:+.0f} %", (change - 1) * 100), change, 1);
    });
  if (!plan.input.empty() && !plan.output.empty())
    for (const double change : {1 - kStep, 1 + kStep})
      out.push_back([&plan, &winner, change] {
        return resized(plan, winner, fmt::format("prompts and answers {:+.0f} %", (change - 1) * 100), 1, change);
      });
  const auto all = standings(plan.section.targets, *winner.figures);
  for (std::size_t i = 0; i < kLatencies.size(); ++i) {
    const auto at = std::ranges::find(all, kLatencies[i], &Standing::target);
    if (at == all.end() || at->used() < kTight) continue;
    out.push_back([&plan, &winner, i] {
      Plan relaxed = plan;
      relaxed.section.targets.latency[i] = *plan.section.targets.latency[i] * 3 / 2;
      return resized(relaxed, winner, fmt::format("{} x {}", kLatencies[i], kRelaxed), 1, 1, true);
    });
  }
  return out;
}
}  // namespace

std::vector<Variation> vary(const Plan& plan, const Entry& winner, int jobs, const std::function<void()>& also) {
  const std::vector<Task> changed = changed_plans(plan, winner);
  // How much load it carries takes longest, many simulations one after the other, and what an instance more carries is
  // looked for from there on: it begins first, and goes on with the pool that answers.
  std::promise<int> carried;
  const std::shared_future<int> step = carried.get_future().share();
  std::vector<Task> tasks{[&] {
    Capacity capacity(plan, winner, winner.deployment);
    try {
      carried.set_value(capacity.find());
    } catch (...) {
      carried.set_exception(std::current_exception());
    }
    return carries(plan, winner.deployment, std::string(kAsItIs),
                   carries_text(step.get()) + capacity.missed_beyond(step.get()));
  }};
  const std::size_t besides = also ? 1 : 0, pools = winner.deployment.pools.size();
  tasks.insert(tasks.end(), changed.begin(), changed.end());
  for (std::size_t p = 0; p < pools; ++p)
    tasks.push_back([&plan, &winner, step, p] { return with_more(plan, winner, p, step.get()); });
  std::vector<Variation> out(tasks.size());
  runs::run_all("variations of the plan", tasks.size() - 1 + besides, jobs, [&](std::size_t k) {
    if (k > 0 && k <= besides) return also();
    const std::size_t task = k == 0 ? 0 : k - besides;
    out[task] = tasks[task]();
    if (task == 0) out.back() = tasks.back()();
  });
  stop_if_interrupted();
  // Shown after what the plan could be.
  std::ranges::rotate(out.begin(), out.begin() + 1, out.end() - std::ptrdiff_t(pools));
  return out;
}
}  // namespace moesim::sizing
