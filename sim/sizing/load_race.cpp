#include "sizing/load_race.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <tuple>

#include "runs/parallel.h"
#include "sizing/capacity.h"

namespace moesim::sizing {
namespace {
// assumed: what may be spent on who carries most, in simulated requests: as much as a few short windows of a service of
// tens of requests a second; of a small one all that are at all likely are tried
constexpr double kRequests = 40'000;
constexpr std::size_t kFewestRivals = 4, kMostRivals = 12;   // beside the one that leaves most of its target
constexpr std::size_t kFewestDecided = 3, kMostDecided = 6;  // on long windows, four times as many requests each
constexpr double kNear = 0.02;      // of a target: seeds may put one that leaves so much less before another
constexpr double kPerhaps = 0.999;  // of the most: what may carry as much comes after what is known to
constexpr double kUntried = 0.998;
constexpr double kLess = 1e-9;  // of a load that is known to be clearly less than the most

double cost(const Entry& e) { return e.deployment.cost_per_hour(); }
bool same(double a, double b) { return std::abs(a - b) <= 1e-9 * a; }

/// One of those that cost the same, with as many instances as its nodes hold.
struct Tied {
  std::size_t entry = 0;
  Deployment deployment{};
  double full = 0;  // the fullest pool, in closed form
  std::optional<int> exact{};
  int low = Capacity::kLeast - 1, high = Capacity::kMost + 1;  // steps: carried on a short window, and not
  std::unique_ptr<Capacity> capacity{};
};
using All = std::vector<std::unique_ptr<Tied>>;
using Some = std::vector<Tied*>;

/// The one that leaves most of its tightest target, then the others, the emptiest first.
All tied(const Plan& plan, const Search& s) {
  double least = 1e300;
  for (const Entry& e : s.entries)
    if (holds(e)) least = std::min(least, cost(e));
  All out;
  for (std::size_t i = 0; i < s.entries.size(); ++i) {
    const Entry& e = s.entries[i];
    const bool spared = e.fate == Fate::pruned && e.fell == Fell::equal;
    if ((!holds(e) && !spared) || !same(cost(e), least)) continue;
    Tied& t = *out.emplace_back(std::make_unique<Tied>());
    t.entry = i;
    t.deployment = e.deployment;
    t.deployment.instances = filled(e);
    for (std::size_t p = 0; p < e.deployment.pools.size(); ++p)
      t.full = std::max(t.full, e.fullness_of(p, t.deployment));
    t.capacity = std::make_unique<Capacity>(plan, e, t.deployment);
  }
  const auto left = [&](const std::unique_ptr<Tied>& t) {
    const Entry& e = s.entries[t->entry];
    return std::pair(holds(e), e.headroom);
  };
  const auto first = std::ranges::max_element(out, {}, left);
  if (first != out.end()) std::rotate(out.begin(), first, first + 1);
  if (out.size() > 1)
    std::stable_sort(out.begin() + 1, out.end(), [](const auto& a, const auto& b) { return a->full < b->full; });
  return out;
}

/// Each asked whether it carries so much, on a short window.
void ask(const Some& some, int step, int jobs) {
  runs::run_all("loads", some.size(), jobs, [&](std::size_t k) {
    Tied& t = *some[k];
    (t.capacity->meets_briefly(step) ? t.low : t.high) = step;
  });
  stop_if_interrupted();
}

Some carrying(const Some& some, int step) {
  Some out;
  for (Tied* t : some)
    if (t->low >= step) out.push_back(t);
  return out;
}

/// The last that carry ever more, from clearly more than `best` on; nobody, if nobody does.
Some last_of(Some some, int best, int jobs) {
  Some out;
  int step = best + 2 * Capacity::width(best);
  for (; step <= Capacity::kMost && !some.empty(); step += 4 * Capacity::width(step)) {
    ask(some, step, jobs);
    some = carrying(some, step);
    if (!some.empty()) out = some;
  }
  return out;
}

/// Asks each how much it carries, on long windows, for short ones say too much; if that is no less than `least`.
void decide(const Some& some, int least, int jobs) {
  runs::run_all("loads", some.size(), jobs, [&](std::size_t k) {
    Tied& t = *some[k];
    t.exact = t.capacity->find_above(least, t.low, t.high);
    if (!t.exact) t.low = Capacity::kLeast - 1, t.high = least;
  });
  stop_if_interrupted();
}

/// As many simulations as may be afforded.
std::size_t affordable(double requests, std::size_t fewest, std::size_t most) {
  const double count = kRequests / std::max(requests, 1.0);
  return count >= double(most) ? most : std::max(fewest, std::size_t(count));
}

/// Those that leave most of their tightest target; of others as good the emptiest.
Some best_of(Some some, const Search& s, std::size_t most) {
  std::ranges::stable_sort(some, {}, [&](const Tied* t) {
    const Entry& e = s.entries[t->entry];
    return std::tuple(!holds(e), -e.headroom, t->full);
  });
  some.resize(std::min(some.size(), most));
  return some;
}

/// What was not simulated, and carries as much as any, is: it may be the answer.
void take_in(const Plan& plan, Search& s, const All& all, int jobs) {
  Some more;
  for (const auto& t : all)
    if (const Entry& e = s.entries[t->entry];
        !e.figures && e.carried && e.carried->step >= 0 && !clearly_more(s.most_load, e.carried->load))
      more.push_back(t.get());
  runs::run_all("longer windows", more.size(), jobs, [&](std::size_t k) {
    Entry& e = s.entries[more[k]->entry];
    const Verdict v = judge(plan, more[k]->deployment, {.end_to_end = end_to_end(plan, e), .stretch = 2});
    e.trials += v.trials;
    if (!v.met) return;
    e.deployment = more[k]->deployment;
    e.settled = e.whole = true;
    e.fell = Fell::no;
    take(e, v);
    e.reason = text_of(*tightest(v.standings));
  });
  stop_if_interrupted();
}

void write(Search& s, const All& all) {
  for (Entry& e : s.entries) e.carried.reset(), e.carries_least = e.carries_less = 0;
  s.most_load = 0;
  for (const auto& t : all) {
    Entry& e = s.entries[t->entry];
    if (t->exact) {
      e.carried = carried_of(*t->capacity, *t->exact);
      s.most_load = std::max(s.most_load, e.carried->load);
    } else {
      if (t->low >= Capacity::kLeast) e.carries_least = Capacity::load_of(t->low);
      if (t->high <= Capacity::kMost) e.carries_less = Capacity::load_of(t->high);
    }
  }
}
}  // namespace

double load_carried(const Search& s, const Entry& e) {
  if (e.carried) return clearly_more(s.most_load, e.carried->load) ? e.carried->load : s.most_load;
  if (e.carries_less == 0 && e.carries_least == 0) return s.most_load * kUntried;
  const bool less = e.carries_less > 0 && e.carries_less <= s.most_load * (1 - 1.0 / Capacity::kSteps);
  return less ? kLess : s.most_load * kPerhaps;
}

bool clearly_more(double load, double than) { return load > than * (1 + 2.0 / Capacity::kSteps) + 1e-12; }

void race_on_load(const Plan& plan, Search& s, int jobs) {
  All all = tied(plan, s);
  s.tied = s.raced = all.size();
  if (all.size() < 2) return;
  const Entry& any = s.entries[all.front()->entry];
  const double requests = rate_of(plan, any.ttft, any.tpot) * seconds(trial_for(plan, end_to_end(plan, any)).duration);
  const std::size_t decided = affordable(4 * requests, kFewestDecided, kMostDecided);
  all.resize(std::min(all.size(), 1 + affordable(requests, kFewestRivals, kMostRivals)));
  s.raced = all.size();
  Tied& first = *all.front();
  Some rivals;
  for (std::size_t k = 1; k < all.size(); ++k) rivals.push_back(all[k].get());
  first.exact = first.capacity->find(jobs);
  int best = std::max(*first.exact, Capacity::kLeast);
  const Some last = best_of(last_of(rivals, best, jobs), s, decided);
  decide(last, best + 2 * Capacity::width(best), jobs);
  for (const Tied* t : last) best = std::max(best, t->exact.value_or(best));
  // What leaves about as much of its target may come first, unless it carries clearly less.
  const int less = best - 2 * Capacity::width(best);
  double headroom = -1;
  for (const auto& t : all)
    if (t->exact && *t->exact >= less) headroom = std::max(headroom, s.entries[t->entry].headroom);
  Some near;
  for (Tied* t : rivals)
    if (const Entry& e = s.entries[t->entry]; !t->exact && t->high > less && holds(e) && e.headroom > headroom - kNear)
      near.push_back(t);
  near = best_of(near, s, decided);
  if (less >= Capacity::kLeast) ask(near, less, jobs), decide(carrying(near, less), less, jobs);
  write(s, all);
  take_in(plan, s, all, jobs);
}
}  // namespace moesim::sizing
