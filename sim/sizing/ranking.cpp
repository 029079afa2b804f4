#include "sizing/ranking.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "runs/parallel.h"
#include "sizing/capacity.h"
#include "sizing/load_race.h"
#include "sizing/ratio.h"

namespace moesim::sizing {
namespace {
constexpr std::size_t kRanked = 3;  // shown

double cost(const Search& s, std::size_t entry) { return s.entries[entry].deployment.cost_per_hour(); }
bool same_cost(const Search& s, std::size_t a, std::size_t b) {
  return std::abs(cost(s, a) - cost(s, b)) <= 1e-9 * cost(s, a);
}

/// The load that it was found to carry, times the plan's.
double found(const Search& s, std::size_t entry) {
  return s.entries[entry].carried ? s.entries[entry].carried->load : 0;
}

/// The cheapest, as many as are shown; of equals those that carry most load, as far as it is known, then by the plan's
/// own seed.
std::vector<std::size_t> contenders(const Search& s) {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < s.entries.size(); ++i)
    if (holds(s.entries[i])) all.push_back(i);
  std::ranges::stable_sort(all, {}, [&](std::size_t i) {
    return std::tuple(cost(s, i), -load_carried(s, s.entries[i]), -s.entries[i].headroom, -found(s, i));
  });
  all.resize(std::min(all.size(), kRanked));
  return all;
}

/// Under one seed.
struct Tried {
  Figures figures;
  Standing tightest;
};
/// further: seeds after the plan's own, of which its figures are.
Tried with_seed(Plan plan, const Entry& e, std::size_t further) {
  plan.seed += further;
  const Figures figures = further == 0 ? *e.figures : simulate(plan, e.deployment, e.trial);
  return {figures, *tightest(standings(plan.section.targets, figures))};
}

// as Standing::met() rounds
bool misses(double headroom) { return headroom < -1e-12; }
int missed_by(const Ranked& r) { return int(std::ranges::count_if(r.headrooms, misses)); }

/// On a window twice as long as the shortest, unless its verdict is of one, with as many instances as its nodes hold;
/// where it misses the targets there, with more.
void settle(const Plan& plan, Entry& e) {
  const std::vector<int> all = filled(e);
  const bool same = all == e.deployment.instances;
  const bool stands = e.settled || e.stretch > 1;
  const Terms terms{.end_to_end = end_to_end(plan, e), .stretch = std::max(2.0, e.stretch)};
  e.settled = e.whole = true;
  if (!same) {
    Deployment d = e.deployment;
    d.instances = all;
    const Verdict v = judge(plan, d, terms);
    e.trials += v.trials;
    if (v.met) {
      e.reason = fmt::format("{}; fewer would do on the same nodes", text_of(*tightest(v.standings)));
      e.deployment = std::move(d);
      return take(e, v);
    }
  }
  if (stands) return;
  const Verdict v = judge(plan, e.deployment, terms);
  e.trials += v.trials;
  if (!v.met) {
    minimise(plan, e, 1e300, terms);
  } else {
    take(e, v);
    if (e.missed.empty()) e.reason = text_of(*tightest(v.standings));
  }
}
}  // namespace

bool settle(const Plan& plan, Search& s, int jobs, const std::vector<std::function<void()>>& also) {
  const auto least = [&] {
    const std::vector<std::size_t> all = contenders(s);
    return all.empty() ? 1e300 : cost(s, all.front());
  };
  const double before = least();
  std::vector<std::function<void()>> others = also;
  for (;;) {
    std::vector<Entry*> open;
    for (const std::size_t i : contenders(s))
      if (!s.entries[i].settled || !s.entries[i].whole) open.push_back(&s.entries[i]);
    if (open.empty() && others.empty()) break;
    runs::run_all("longer windows", open.size() + others.size(), jobs, [&](std::size_t k) {
      if (k < open.size()) return settle(plan, *open[k]);
      others[k - open.size()]();
    });
    stop_if_interrupted();
    others.clear();
  }
  return least() > before;
}

int seeds_missed(const Search& s) { return s.ranking.empty() ? 0 : missed_by(s.ranking.front()); }

bool is_tie(const Ranked& better, const Ranked& worse, bool same_cost, double missed) {
  if (better.headrooms.size() < 2) return false;
  if (!same_cost) return better.headroom.mean < better.headroom.half_width || missed - 1 < worse.headroom.half_width;
  if (better.load != worse.load) return !clearly_more(better.load, worse.load);
  std::vector<double> differences;
  for (std::size_t k = 0; k < better.headrooms.size(); ++k)
    differences.push_back(better.headrooms[k] - worse.headrooms[k]);
  if (better.fixed() && worse.fixed()) return differences.front() == 0;
  const runs::Mean d = runs::mean_of(differences);
  return std::abs(d.mean) <= d.half_width;
}

namespace {
constexpr std::size_t kMostFallen = 12;  // in turn, after which the best of them stays

/// How many seeds it misses the targets on, of how many.
std::string seeds_text(const Ranked& r) {
  return fmt::format("the targets on {} of {} seeds", missed_by(r), r.headrooms.size());
}

/// What it was stays as an entry that fell; it has an instance more, if that may be had.
void fall(const Plan& plan, Search& s, const Ranked& first, const Tried& worst) {
  s.fallen.push_back(first);
  Entry& e = s.entries[first.entry];
  e.fate = Fate::misses;
  e.fell = Fell::seeds;
  e.missed.push_back({e.deployment.instances, seeds_text(first), 1 - std::min(0.0, first.headroom.mean)});
  e.reason = "seeds: it misses " + seeds_text(first);
  Entry more = e;
  more.whole = false;
  more.carried.reset();
  more.carries_least = more.carries_less = 0;
  if (e.unit.empty())
    ++more.deployment.instances[pool_at_fault(e.deployment, worst.tightest, worst.figures)];
  else
    more.deployment.instances = units(e, times_unit(e) + 1);
  if (!all_met(standings_of_size(plan.section.targets, more.deployment))) return;
  Entry fell = e;
  fell.trials = 0;  // counted once
  s.fallen.back().entry = s.entries.size();
  minimise(plan, more, 1e300, {.stretch = 2});
  more.settled = true;
  s.entries[first.entry] = std::move(more);
  s.entries.push_back(std::move(fell));
}

/// Where all fell: the one that misses on fewest seeds, the first of them.
void choose_fallen(Search& s) {
  const auto best = std::ranges::min_element(s.fallen, {}, missed_by);
  s.entries[best->entry].fate = Fate::meets;
  s.entries[best->entry].fell = Fell::no;
  s.entries[best->entry].reason = "it misses " + seeds_text(*best);
  s.winner = best->entry;
  s.ranking = {*best};
}

/// Whether seeds can put it before the first: not what costs as much and is not known to carry as much load.
bool may_lead(const Search& s, const std::vector<std::size_t>& all, std::size_t i) {
  const std::size_t first = all.front();
  return !same_cost(s, first, all[i]) || load_carried(s, s.entries[all[i]]) >= load_carried(s, s.entries[first]);
}

/// Why the first is first, of those that cost the same.
std::string why_first(const Search& s, const std::vector<Ranked>& ranked) {
  const auto equal = std::ranges::count_if(s.entries, [&](const Entry& e) {
    return holds(e) && same_cost(s, ranked.front().entry, std::size_t(&e - s.entries.data()));
  });
  if (equal < 2 || ranked.size() < 2) return "";
  const Ranked &first = ranked[0], &second = ranked[1];
  const Entry &a = s.entries[first.entry], &b = s.entries[second.entry];
  const std::string next = fmt::format(
      "next of {} that cost the same{} is {}", std::max(std::size_t(equal), s.tied),
      s.raced < s.tied ? fmt::format(", {} of them tried with more load,", s.raced) : "", text_of(b.deployment));
  const std::string load = load_text(b) == "-" ? "was not tried with more" : "carries " + load_text(b);
  if (first.load != second.load && second.tie)
    return fmt::format(
        "none is known to carry clearly more than its {}; {}, which {}, and leaves {:.1f} % of its "
        "tightest target, not {:.1f} %",
        load_text(a), next, load, 100 * second.headroom.mean, 100 * first.headroom.mean);
  if (first.load != second.load) return fmt::format("it carries most load, {}; {}, which {}", load_text(a), next, load);
  if (first.headrooms.size() > 1 && missed_by(first) < missed_by(second))
    return fmt::format("it {}; {}, which misses {}",
                       missed_by(first) == 0 ? fmt::format("meets the targets on all {} seeds", first.headrooms.size())
                                             : "misses " + seeds_text(first),
                       next, seeds_text(second));
  std::string out =
      fmt::format("it {}leaves most of its tightest target, {:.1f} %; {}: {:.1f} %",
                  first.load > 0 ? fmt::format("carries as much load as any, {} to an eighth, and ", load_text(a)) : "",
                  100 * first.headroom.mean, next, 100 * second.headroom.mean);
  if (first.fixed() && second.fixed())
    out += ", the same with every seed";
  else if (first.headrooms.size() > 1)
    out += fmt::format(", over {} seeds{}", first.headrooms.size(), second.tie ? ", which may be chance" : "");
  return out;
}
}  // namespace

bool rank(const Plan& plan, Search& s, int jobs) {
  race_on_load(plan, s, jobs);
  settle(plan, s, jobs);
  const std::vector<std::size_t> all = contenders(s);
  if (all.empty()) {
    if (!s.fallen.empty()) choose_fallen(s);
    return true;
  }
  const std::size_t seeds = std::size_t(plan.section.search.seeds);
  std::vector<std::vector<Tried>> tried(all.size());
  std::vector<std::pair<std::size_t, std::size_t>> more;  // seeds after the plan's own
  for (std::size_t i = 0; i < all.size(); ++i) {
    tried[i].resize(may_lead(s, all, i) ? seeds : 1);
    tried[i][0] = with_seed(plan, s.entries[all[i]], 0);
    for (std::size_t seed = 1; seed < tried[i].size(); ++seed) more.emplace_back(i, seed);
  }
  runs::run_all("other seeds", more.size(), jobs, [&](std::size_t k) {
    const auto [i, seed] = more[k];
    tried[i][seed] = with_seed(plan, s.entries[all[i]], seed);
  });
  stop_if_interrupted();
  s.trials += int(more.size());
  std::vector<Ranked> ranked(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    ranked[i].entry = all[i];
    for (const Tried& t : tried[i]) {
      ranked[i].headrooms.push_back(1 - t.tightest.used());
      ranked[i].tightest.push_back(text_of(t.tightest));
    }
    ranked[i].headroom = runs::mean_of(ranked[i].headrooms);
    ranked[i].load = load_carried(s, s.entries[all[i]]);
  }
  std::ranges::stable_sort(ranked, [&](const Ranked& a, const Ranked& b) {
    if (!same_cost(s, a.entry, b.entry)) return cost(s, a.entry) < cost(s, b.entry);
    return std::tuple(-a.load, -a.headroom.mean, -found(s, a.entry)) <
           std::tuple(-b.load, -b.headroom.mean, -found(s, b.entry));
  });
  const Ranked& first = ranked.front();
  if (2 * missed_by(first) > int(seeds) && s.fallen.size() < kMostFallen) {
    const auto& of = tried[std::size_t(std::ranges::find(all, first.entry) - all.begin())];
    fall(plan, s, first, *std::ranges::max_element(of, {}, [](const Tried& t) { return t.tightest.used(); }));
    return false;
  }
  for (std::size_t i = 1; i < ranked.size(); ++i) {
    const Ranked &before = ranked[i - 1], &one = ranked[i];
    const bool same = same_cost(s, before.entry, one.entry);
    // Of what was not tried with other seeds, since its load may be less, no order is known.
    const bool open = same && one.headrooms.size() < seeds && !clearly_more(first.load, one.load);
    ranked[i].tie = open || is_tie(before, one, same, s.entries[one.entry].nearest_miss());
  }
  s.why = why_first(s, ranked);
  s.winner = ranked.front().entry;
  s.ranking = std::move(ranked);
  return true;
}
}  // namespace moesim::sizing
