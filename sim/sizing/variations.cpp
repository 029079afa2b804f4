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

/// Instances that miss the targets under so much load, times the plan's, and so under more.
struct TooFew {
  std::vector<int> instances;
  double load = 0;
  std::string missed;
};

/// step: of the load that it carries as it is.  few: what was seen to be too much for it.
Variation with_more(const Plan& plan, const Entry& winner, const More& more, int step,
                    std::optional<TooFew>* few = nullptr) {
  Capacity capacity(plan, winner, more.deployment);
  const int from = std::max(step, 0), found = capacity.find_beyond(from, more.times);
  if (const auto beyond = capacity.missed_beyond(found); beyond && few != nullptr)
    *few = TooFew{more.deployment.instances, beyond->load, beyond->missed};
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
constexpr int kMoreLoad = 2, kPlansOfMore = 2;  // place among all tasks of the first plan with more load; their number

/// What tasks find out for others.  Throws in those that wait what was thrown in finding it out.
template <class T>
class Found {
 public:
  void find(const std::function<T()>& f) {
    try {
      promise_.set_value(f());
    } catch (...) {
      promise_.set_exception(std::current_exception());
    }
    (void)get();
  }
  const T& get() const { return future_.get(); }

 private:
  std::promise<T> promise_;
  std::shared_future<T> future_ = promise_.get_future().share();
};
/// How much load the answer carries, and what is too little for more.
struct Known {
  explicit Known(std::size_t more) : few(more) {}
  Found<Carried> carried;
  std::vector<Found<std::optional<TooFew>>> few;  // of what may come to it
};

/// The answer, and which of its instances are too few for so much load.
Entry for_load(Entry answer, double load, const Known& known) {
  const auto note = [&](const std::vector<int>& instances, double from, const std::string& missed) {
    if (from > 0 && load >= from) answer.missed.push_back({instances, missed, 1});
  };
  note(answer.deployment.instances, known.carried.get().missed_at, known.carried.get().missed);
  for (const auto& few : known.few)
    if (const std::optional<TooFew>& f = few.get()) note(f->instances, f->load, f->missed);
  return answer;
}

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
std::vector<Task> changed_plans(const Plan& plan, const Entry& winner, const Known& known) {
  std::vector<Task> out;
  for (const double change : {1 - kStep, 1 + kStep, 2.0})
    out.push_back([&plan, &winner, change, &known] {
      const std::string what = fmt::format("load {:+.0f} %", (change - 1) * 100);
      const bool beyond = change > 1 && !known.carried.get().or_more && change > known.carried.get().load;
      if (!beyond) return resized(plan, winner, what, change, 1);
      return resized(plan, for_load(winner, change, known), what, change, 1, false, Capacity::kLong);
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
  const std::size_t besides = also ? 1 : 0, pools = winner.unit.empty() ? winner.deployment.pools.size() : 1;
  Known known(pools);
  const std::vector<Task> changed = changed_plans(plan, winner, known);
  std::vector<Task> tasks{[&] {
    known.carried.find([&] {
      Capacity capacity(plan, winner, winner.deployment);
      return winner.carried ? *winner.carried : carried_of(capacity, capacity.find());
    });
    Variation out = carries(plan, winner.deployment, std::string(kAsItIs), text_of(known.carried.get()));
    out.carried = known.carried.get();
    return out;
  }};
  tasks.insert(tasks.end(), changed.begin(), changed.end());
  for (std::size_t p = 0; p < pools; ++p)
    tasks.push_back([&, p] {
      Variation out;
      known.few[p].find([&] {
        std::optional<TooFew> few;
        out = with_more(plan, winner, more_of(winner, p), known.carried.get().step, &few);
        return few;
      });
      return out;
    });
  std::vector<Variation> out(tasks.size());
  // How much load it carries takes longest, many simulations one after the other, and what an instance more carries is
  // looked for from there on: these begin first, one thread goes on from it with the pool that answers, and more load,
  // which waits for all of them, comes last.  Nothing waits for what begins after it.
  std::vector<std::size_t> order(tasks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::rotate(order.begin() + 1, order.end() - std::ptrdiff_t(pools), order.end());
  order.erase(order.begin() + std::ptrdiff_t(pools));
  const auto more_load = order.begin() + std::ptrdiff_t(pools) - 1 + kMoreLoad;
  std::rotate(more_load, more_load + kPlansOfMore, order.end());
  runs::run_all("variations of the plan", order.size() + besides, jobs, [&](std::size_t k) {
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
    out.push_back(with_more(plan, winner, more_of_each(winner), known.carried.get().step));
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
