#include "sizing/variations.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <future>
#include <numeric>

#include "runs/parallel.h"
#include "sizing/capacity.h"
#include "sizing/ratio.h"
#include "sizing/skew.h"

namespace moesim::sizing {
namespace {
constexpr double kStep = 0.2;      // of load and lengths
constexpr double kSkewStep = 0.5;  // assumed: recorded loads of one model differ by less (reports/routing.md)

Variation variation_of(std::string what, const Deployment& d, bool met, std::string standing) {
  return {std::move(what), met, d.gpus(), d.cost_per_hour(), std::move(standing), d.instances};
}

/// easier: in another way than by load and length, so that what was not enough may be.  stretch: of the windows it is
/// judged on at least.
Variation resized(const Plan& plan, Entry entry, std::string what, double load, double length, bool easier = false,
                  double stretch = 1) {
  entry.fate = Fate::pruned;
  if (load < 1 || length < 1 || easier) entry.missed.clear();
  for (std::vector<double>* of : {&entry.need, &entry.within})
    for (double& n : *of) n *= load * length;
  // More load takes about as many more instances.
  for (int& n : entry.deployment.instances) n = std::max({1, n, int(std::lround(n * load * length))});
  fit_to_limits(plan, entry);
  const Terms terms{.load = load, .length = length, .stretch = stretch};
  if (!minimise(plan, entry, 1e300, terms)) return variation_of(std::move(what), entry.deployment, false, entry.reason);
  // What the nodes hold beside those costs nothing.
  if (std::vector<int> all = filled(entry); all != entry.deployment.instances) {
    Deployment d = entry.deployment;
    d.instances = std::move(all);
    Terms more = terms;
    more.end_to_end = end_to_end(plan, entry);
    if (const Verdict v = judge(plan, d, more); v.met) {
      entry.deployment = std::move(d);
      take(entry, v);
    }
  }
  return variation_of(std::move(what), entry.deployment, true,
                      text_of(*tightest(standings(plan.section.targets, *entry.figures))));
}

/// Where it is more than may be had, that is said first.
Variation carries(const Plan& plan, const Deployment& d, std::string what, std::string standing) {
  const auto sizes = standings_of_size(plan.section.targets, d);
  const bool met = all_met(sizes);
  if (!met) standing = text_of(*tightest(sizes)) + ", " + standing;
  return variation_of(std::move(what), d, met, std::move(standing));
}

/// What may come to the answer's pools at once: one of a pool, in the plan's ratio where it has one; of instances of
/// less than a node, all that the next one holds.
struct More {
  std::string what;
  Deployment deployment;
  double times = 1;  // as many of the pool that grows least
};
More more_of(const Entry& winner, std::size_t pool) {
  const Deployment& d = winner.deployment;
  Entry more = winner;
  if (!winner.unit.empty()) {
    more.deployment.instances = units(winner, times_unit(winner) + 1);
    return {fmt::format("{} more of prefill and {} of decode", winner.unit[0], winner.unit[1]), more.deployment};
  }
  ++more.deployment.instances[pool];
  if (d.pools.size() == 1) more.deployment.instances = filled(more);
  return {
      fmt::format("{} more of {}", more.deployment.instances[pool] - d.instances[pool], name_of(d.pools[pool].role)),
      more.deployment};
}
More more_of_each(const Entry& winner) {
  More out{"1 more of each", winner.deployment};
  out.times = 2;
  for (int& n : out.deployment.instances) out.times = std::min(out.times, (n + 1.0) / n), ++n;
  return out;
}

/// step: of the load that it carries as it is.
Variation with_more(const Plan& plan, const Entry& winner, const More& more, int step) {
  Capacity capacity(plan, winner, more.deployment);
  const int from = std::max(step, 0), found = capacity.find_beyond(from, more.times);
  if (found <= from && from < Capacity::kMost)
    return carries(plan, more.deployment, more.what, "carries no more than as it is");
  const Carried carried = carried_of(capacity, found);
  Variation out = carries(plan, more.deployment, more.what, text_of(carried));
  out.carried = carried;
  return out;
}
}  // namespace

double capacity(const Plan& plan, const Entry& entry, const Deployment& d) {
  return Capacity::load_of(Capacity(plan, entry, d).find());
}

namespace {
using Task = std::function<Variation()>;
constexpr int kMoreLoad = 2;  // place among all tasks of the first of two plans with more load

/// The winner's experts loaded more evenly, and less.
void add_skews(const Plan& plan, const Entry& winner, std::vector<Task>& out) {
  const auto ask = [&](const std::string& what, const std::string& routing, bool easier) {
    if (routing.empty()) return;
    out.push_back([&plan, &winner, what, routing, easier] {
      Plan other = plan;
      other.routing_text = routing;
      return resized(other, winner, what, 1, 1, easier);
    });
  };
  if (!plan.model.moe) return;
  if (is_balanced(plan)) return ask("experts as unevenly loaded as DeepSeek-V3's", kUneven, false);
  for (const double change : {1 - kSkewStep, 1 + kSkewStep})
    ask(fmt::format("skew of the experts {:+.0f} %", (change - 1) * 100), with_skew(plan, change), change < 1);
}

/// The plan under other loads, lengths and skews.  Loads beyond what the answer carries are judged on windows as long
/// as those that showed it: on a short one more than that may pass.
std::vector<Task> changed_plans(const Plan& plan, const Entry& winner, const std::shared_future<Carried>& carried) {
  std::vector<Task> out;
  for (const double change : {1 - kStep, 1 + kStep, 2.0})
    out.push_back([&plan, &winner, change, carried] {
      const bool beyond = change > 1 && !carried.get().or_more && change > carried.get().load;
      return resized(plan, winner, fmt::format("load {:+.0f} %", (change - 1) * 100), change, 1, false,
                     beyond ? Capacity::kLong : 1);
    });
  if (!plan.input.empty() && !plan.output.empty())
    for (const double change : {1 - kStep, 1 + kStep})
      out.push_back([&plan, &winner, change] {
        return resized(plan, winner, fmt::format("prompts and answers {:+.0f} %", (change - 1) * 100), 1, change);
      });
  add_skews(plan, winner, out);
  return out;
}
}  // namespace

std::vector<Variation> vary(const Plan& plan, const Entry& winner, int jobs, const std::function<void()>& also) {
  // How much load it carries takes longest, many simulations one after the other, and what an instance more carries is
  // looked for from there on: it begins first, and goes on with the pool that answers.
  std::promise<Carried> promise;
  const std::shared_future<Carried> carried = promise.get_future().share();
  const std::vector<Task> changed = changed_plans(plan, winner, carried);
  std::vector<Task> tasks{[&] {
    try {
      Capacity capacity(plan, winner, winner.deployment);
      promise.set_value(winner.carried ? *winner.carried : carried_of(capacity, capacity.find()));
    } catch (...) {
      promise.set_exception(std::current_exception());
    }
    Variation out = carries(plan, winner.deployment, std::string(kAsItIs), text_of(carried.get()));
    out.carried = carried.get();
    return out;
  }};
  const std::size_t besides = also ? 1 : 0, pools = winner.unit.empty() ? winner.deployment.pools.size() : 1;
  tasks.insert(tasks.end(), changed.begin(), changed.end());
  for (std::size_t p = 0; p < pools; ++p)
    tasks.push_back(
        [&plan, &winner, carried, p] { return with_more(plan, winner, more_of(winner, p), carried.get().step); });
  std::vector<Variation> out(tasks.size());
  // The longest first; but more load waits for what is carried where that has still to be found.
  std::vector<std::size_t> order(tasks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (!winner.carried)
    std::rotate(order.begin() + kMoreLoad, order.begin() + kMoreLoad + 2, order.end() - std::ptrdiff_t(pools));
  else
    std::rotate(order.begin() + 1, order.begin() + kMoreLoad + 1, order.begin() + kMoreLoad + 2);
  runs::run_all("variations of the plan", tasks.size() - 1 + besides, jobs, [&](std::size_t k) {
    if (k > 0 && k <= besides) return also();
    const std::size_t task = order[k == 0 ? 0 : k - besides];
    out[task] = tasks[task]();
    if (task == 0) out.back() = tasks.back()();
  });
  stop_if_interrupted();
  // Shown after what the plan could be.
  std::ranges::rotate(out.begin(), out.begin() + 1, out.end() - std::ptrdiff_t(pools));
  // Where either pool alone is of no use, both bind.
  if (pools == 2 && !out.end()[-1].carried && !out.end()[-2].carried)
    out.push_back(with_more(plan, winner, more_of_each(winner), carried.get().step));
  return out;
}

std::string change_text(const Deployment& from, const std::vector<int>& to) {
  std::string out;
  for (std::size_t p = 0; p < to.size(); ++p) {
    if (to[p] == from.instances[p]) continue;
    const std::string way = way_of(from.pools[p]);
    out += fmt::format("{}{} {} x {} -> {} x {}", out.empty() ? "" : ", ", name_of(from.pools[p].role),
                       from.instances[p], way, to[p], way);
  }
  return out;
}
}  // namespace moesim::sizing
