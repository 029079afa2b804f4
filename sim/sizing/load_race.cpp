#include "sizing/load_race.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "runs/parallel.h"
#include "sizing/capacity.h"

namespace moesim::sizing {
namespace {
// assumed: of many that cost the same, the closed forms put the one that carries most among so many; each costs one
// simulation at least
constexpr std::size_t kMostTied = 8;
constexpr std::size_t kLeading = 2;  // of which the first bound for the others is found

constexpr double kLess = 1e-9;  // of a load that is known to be clearly less than the most

double cost(const Entry& e) { return e.deployment.cost_per_hour(); }
bool same(double a, double b) { return std::abs(a - b) <= 1e-9 * a; }

/// How full its fullest pool is in closed form, with as many instances as are given.
double fullness(const Entry& e, const Deployment& d) {
  double out = 0;
  for (std::size_t p = 0; p < d.pools.size(); ++p) out = std::max(out, e.fullness_of(p, d));
  return out;
}

/// One of those that cost the same, with as many instances as its nodes hold.
struct Tied {
  std::size_t entry = 0;
  Deployment deployment;
  double full = 0;
};

std::vector<Tied> tied(const Search& s) {
  double least = 1e300;
  for (const Entry& e : s.entries)
    if (holds(e)) least = std::min(least, cost(e));
  std::vector<Tied> out;
  for (std::size_t i = 0; i < s.entries.size(); ++i) {
    const Entry& e = s.entries[i];
    const bool spared = e.fate == Fate::pruned && e.fell == Fell::equal;
    if ((!holds(e) && !spared) || !same(cost(e), least)) continue;
    Tied t{i, e.deployment};
    t.deployment.instances = filled(e);
    t.full = fullness(e, t.deployment);
    out.push_back(std::move(t));
  }
  std::ranges::stable_sort(out, [&](const Tied& a, const Tied& b) {
    return std::tuple(a.full, -s.entries[a.entry].headroom) < std::tuple(b.full, -s.entries[b.entry].headroom);
  });
  return out;
}

/// Asks each whether it carries so much, in steps, and then how much; all of it where nothing is asked for.
void find(const Plan& plan, Search& s, const std::vector<Tied>& all, std::optional<int> least, int jobs) {
  std::vector<std::optional<Carried>> found(all.size());
  runs::run_all("loads", all.size(), jobs, [&](std::size_t k) {
    const Entry& e = s.entries[all[k].entry];
    Capacity capacity(plan, e, all[k].deployment);
    const std::optional<int> step = least ? capacity.find_if_not_below(*least) : std::optional(capacity.find());
    if (step) found[k] = carried_of(capacity, *step);
  });
  stop_if_interrupted();
  for (std::size_t k = 0; k < all.size(); ++k) {
    Entry& e = s.entries[all[k].entry];
    e.carried = found[k];
    if (!found[k]) e.carries_less = Capacity::load_of(*least);
  }
}

/// What was not simulated, and carries as much as whatever does most, is: it may be the answer.
void take_in(const Plan& plan, Search& s, const std::vector<Tied>& all, int step, int jobs) {
  std::vector<const Tied*> more;
  for (const Tied& t : all) {
    const Entry& e = s.entries[t.entry];
    if (!e.figures && e.carried && e.carried->step >= std::max(step, 0)) more.push_back(&t);
  }
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

std::vector<Tied> part(std::vector<Tied>& all, std::size_t count) {
  const auto end = all.begin() + std::ptrdiff_t(std::min(count, all.size()));
  std::vector<Tied> out(all.begin(), end);
  all.erase(all.begin(), end);
  return out;
}
}  // namespace

double load_carried(const Entry& e) {
  if (e.carried) return e.carried->load;
  return e.carries_less > 0 ? kLess : 0;
}

bool clearly_more(double load, double than) { return load > than * (1 + 2.0 / Capacity::kSteps) + 1e-12; }

void race_on_load(const Plan& plan, Search& s, int jobs) {
  std::vector<Tied> all = tied(s);
  if (all.size() < 2) return;
  s.tied = all.size();
  all.resize(std::min(all.size(), kMostTied));
  s.raced = all.size();
  std::erase_if(all, [&](const Tied& t) { return s.entries[t.entry].carried || s.entries[t.entry].carries_less > 0; });
  const auto best_of = [&] {
    int out = Capacity::kLeast - 1;
    for (const Entry& e : s.entries)
      if (e.carried) out = std::max(out, e.carried->step);
    return out;
  };
  if (best_of() < Capacity::kLeast) find(plan, s, part(all, kLeading), std::nullopt, jobs);
  const int best = best_of();
  // An eighth less may be chance: what carries less than that is clearly behind.
  find(plan, s, all, std::max(best - 2 * Capacity::width(best), 0), jobs);
  take_in(plan, s, tied(s), best_of(), jobs);
}
}  // namespace moesim::sizing
