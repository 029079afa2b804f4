#include "sizing/ranking.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "runs/parallel.h"

namespace moesim::sizing {
namespace {
constexpr std::size_t kRanked = 3;     // shown
constexpr std::size_t kMostEqual = 4;  // of those that cost as much as the cheapest

double cost(const Search& s, std::size_t entry) { return s.entries[entry].deployment.cost_per_hour(); }
bool same_cost(const Search& s, std::size_t a, std::size_t b) {
  return std::abs(cost(s, a) - cost(s, b)) <= 1e-9 * cost(s, a);
}

/// The cheapest, all of its cost, and as many more as are shown; the plan's own seed says which of equals come first.
std::vector<std::size_t> contenders(const Search& s) {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < s.entries.size(); ++i)
    if (holds(s.entries[i])) all.push_back(i);
  std::ranges::stable_sort(all, {}, [&](std::size_t i) { return std::pair(cost(s, i), -s.entries[i].headroom); });
  std::size_t equal = 0;
  while (equal < all.size() && same_cost(s, all[equal], all.front())) ++equal;
  all.resize(std::min(all.size(), std::max(kRanked, std::min(equal, kMostEqual))));
  return all;
}

/// Share of the tightest target that is left; with another seed.
double headroom(Plan plan, const Entry& e, std::uint64_t seed) {
  plan.seed = seed;
  const auto all = standings(plan.section.targets, simulate(plan, e.deployment, e.trial));
  return 1 - tightest(all)->used();
}

/// On a window twice as long as the shortest, unless its verdict is of one; where it misses them there, with more
/// instances.
void settle(const Plan& plan, Entry& e) {
  e.settled = true;
  if (e.stretch > 1) return;
  const Terms terms{.end_to_end = end_to_end(plan, e), .stretch = 2 * e.stretch};
  const Verdict v = judge(plan, e.deployment, terms);
  e.trials += v.trials;
  if (!v.met) {
    minimise(plan, e, 1e300, terms);
  } else {
    const std::string reason = e.reason.starts_with("with fewer") ? e.reason : text_of(*tightest(v.standings));
    take(e, v);
    e.reason = reason;
  }
}
}  // namespace

bool settle(const Plan& plan, Search& s, int jobs) {
  const auto least = [&] {
    const std::vector<std::size_t> all = contenders(s);
    return all.empty() ? 1e300 : cost(s, all.front());
  };
  const double before = least();
  for (;;) {
    std::vector<Entry*> open;
    for (const std::size_t i : contenders(s))
      if (!s.entries[i].settled) open.push_back(&s.entries[i]);
    if (open.empty()) break;
    runs::run_all("longer windows", open.size(), jobs, [&](std::size_t k) { settle(plan, *open[k]); });
    stop_if_interrupted();
  }
  return least() > before;
}

int seeds_missed(const Search& s) {
  // as Standing::met() rounds
  return s.ranking.empty()
             ? 0
             : int(std::ranges::count_if(s.ranking.front().headrooms, [](double h) { return h < -1e-12; }));
}

bool is_tie(const Ranked& better, const Ranked& worse, bool same_cost, double missed) {
  if (better.headrooms.size() < 2) return false;
  if (!same_cost) return better.headroom.mean < better.headroom.half_width || missed - 1 < worse.headroom.half_width;
  std::vector<double> differences;
  for (std::size_t k = 0; k < better.headrooms.size(); ++k)
    differences.push_back(better.headrooms[k] - worse.headrooms[k]);
  const runs::Mean d = runs::mean_of(differences);
  return std::abs(d.mean) <= d.half_width;
}

void rank(const Plan& plan, Search& s, int jobs) {
  const std::vector<std::size_t> all = contenders(s);
  if (all.empty()) return;
  const std::size_t seeds = std::size_t(plan.section.search.seeds);
  std::vector<Ranked> ranked(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    ranked[i].entry = all[i];
    ranked[i].headrooms.assign(seeds, s.entries[all[i]].headroom);
  }
  const std::size_t more = seeds - 1;
  runs::run_all("other seeds", all.size() * more, jobs, [&](std::size_t k) {
    const std::size_t seed = 1 + k % more;
    ranked[k / more].headrooms[seed] = headroom(plan, s.entries[all[k / more]], plan.seed + seed);
  });
  stop_if_interrupted();
  s.trials += int(all.size() * more);
  for (Ranked& r : ranked) r.headroom = runs::mean_of(r.headrooms);
  std::ranges::stable_sort(ranked, [&](const Ranked& a, const Ranked& b) {
    return same_cost(s, a.entry, b.entry) ? a.headroom.mean > b.headroom.mean : cost(s, a.entry) < cost(s, b.entry);
  });
  if (ranked.size() > kRanked) ranked.resize(kRanked);
  for (std::size_t i = 1; i < ranked.size(); ++i)
    ranked[i].tie = is_tie(ranked[i - 1], ranked[i], same_cost(s, ranked[i - 1].entry, ranked[i].entry),
                           s.entries[ranked[i].entry].nearest_miss);
  s.winner = ranked.front().entry;
  s.ranking = std::move(ranked);
}
}  // namespace moesim::sizing
