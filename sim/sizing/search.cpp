#include "sizing/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "sizing/confirm.h"
#include "sizing/ranking.h"
#include "sizing/ratio.h"
#include "sizing/required.h"

namespace moesim::sizing {
namespace {
using serving::Role;

int needed(double rate, double each) { return std::max(1, int(std::ceil(rate / each - 1e-9))); }

/// What whole instances of a pool cost that carry the load, USD/h; then what parts of them would.  Whoever serves alone
/// pays for whole nodes; pools of prompts and of answers share them.
std::pair<double, double> pool_cost(const Plan& plan, const Proposal& p) {
  const double rate = rate_of(plan, p.steady.ttft, p.steady.tpot);
  const Deployment alone{p.node, p.engine, {p.design}, {needed(rate, p.steady.rate)}};
  const bool shares = p.design.role != Role::both && p.design.gpus() < p.node->node.gpus;
  const double gpus = shares ? double(p.design.gpus()) * alone.instances[0] : double(alone.gpus());
  return {gpus * p.node->gpu_hour, rate * p.request_cost()};
}

bool same_layout(const PoolDesign& a, const PoolDesign& b) {
  return a.tensor == b.tensor && a.data == b.data && a.pipeline == b.pipeline && a.experts_tensor == b.experts_tensor &&
         a.variant == b.variant;
}

/// Closed forms tell pools apart whose figures are this far from each other's.
constexpr double kClearly = 0.95;

/// Too slow with a full batch: whether it meets the targets hangs on how full it gets, which its limit does not bound.
bool may_overrun(const Proposal& p) { return p.steady.rate < p.steady.most; }

/// A usable pool and what its closed form makes of the load.
struct Priced {
  Proposal* proposal = nullptr;
  std::pair<double, double> cost{};  // USD/h, of whole instances and of parts
  Loaded loaded{};
  bool no_worse_than(const Priced& o) const {
    return cost.first <= o.cost.first && loaded.used <= o.loaded.used && cost.second <= o.cost.second;
  }
};

Priced priced(const Plan& plan, Proposal& p) {
  const double rate = rate_of(plan, p.steady.ttft, p.steady.tpot);
  return {&p, pool_cost(plan, p), loaded(plan, p.design, p.steady, rate, needed(rate, p.steady.rate))};
}

/// Why a pool is part of no deployment, beside those that are.
std::string why_dropped(const Priced& p, const std::vector<Priced>& kept) {
  for (const Priced& o : kept)
    if (o.no_worse_than(p))
      return fmt::format("dominated: by {}: no cheaper, no faster, carries no more", text_of(o.proposal->design, 1));
  for (const Priced& o : kept)
    if (same_layout(o.proposal->design, p.proposal->design) && o.cost.first < p.cost.first)
      return fmt::format("dearer: {:.2f} USD/h in closed form, {:.2f} with {}", p.cost.first, o.cost.first,
                         text_of(o.proposal->design, 1));
  const bool dearer = p.cost.first > kept.front().cost.first;
  return fmt::format("{}: {:.2f} USD/h in closed form, {} others come before it", dearer ? "dearer" : "behind",
                     p.cost.first, kept.size());
}

/// What costs no more than the cheapest kept and clearly less for each request than any: it fills the nodes that are
/// paid for with most load.  Null: nothing does.
const Priced* roomiest(const std::vector<Priced>& all, const std::vector<Priced>& kept, bool overrun) {
  if (kept.empty()) return nullptr;
  const auto a_request = [](const Priced& p) { return p.cost.second; };
  const double least = std::ranges::min(kept, {}, a_request).cost.second;
  const Priced* best = nullptr;
  for (const Priced& p : all)
    if (may_overrun(*p.proposal) == overrun && p.cost.first <= kept.front().cost.first &&
        a_request(p) < kClearly * least && (best == nullptr || a_request(p) < a_request(*best)))
      best = &p;
  return best;
}

/// Layouts that may cost more, for being faster than those that are kept for their cost.
constexpr int kFaster = 2;

/// The cheapest usable pools of a role on a kind of node, of equally cheap ones those that use least of the targets:
/// the best of each layout, a few layouts; then some that are faster, and the one that carries most on the nodes that
/// are paid for anyway.  The others say why not. Those that may overrun are chosen for themselves, so that they
/// displace none that cannot.
std::vector<const Proposal*> best_pools(const Plan& plan, std::vector<Proposal>& all, const PricedNode& node,
                                        const std::string& engine, Role role) {
  std::vector<Priced> sorted, out;
  for (Proposal& p : all)
    if (p.node == &node && p.engine == engine && p.design.role == role && p.usable()) sorted.push_back(priced(plan, p));
  std::ranges::stable_sort(sorted, {}, [](const Priced& p) {
    return std::tuple(p.cost.first, p.loaded.used, p.loaded.tpot, p.cost.second);
  });
  const bool all_of_them = plan.section.search.exhaustive;
  for (const bool overrun : {false, true}) {
    std::vector<Priced> kept;
    int faster = 0;
    for (const Priced& p : sorted) {
      if (all_of_them || may_overrun(*p.proposal) != overrun) continue;
      const bool known = std::ranges::any_of(
          kept, [&](const Priced& o) { return same_layout(o.proposal->design, p.proposal->design); });
      if (known) continue;
      const bool room = int(kept.size()) < plan.section.search.keep;
      const bool fastest =
          std::ranges::all_of(kept, [&](const Priced& o) { return p.loaded.used < o.loaded.used * kClearly; });
      if (!room && (!fastest || faster++ == kFaster)) continue;
      kept.push_back(p);
    }
    if (const Priced* most = roomiest(sorted, kept, overrun)) kept.push_back(*most);
    std::ranges::move(kept, std::back_inserter(out));
  }
  if (all_of_them) out = sorted;
  std::vector<const Proposal*> chosen;
  for (const Priced& p : out) chosen.push_back(p.proposal);
  for (const Priced& p : sorted)
    if (std::ranges::find(chosen, p.proposal) == chosen.end()) p.proposal->dropped = why_dropped(p, out);
  return chosen;
}

Entry entry_of(const Plan& plan, const std::vector<const Proposal*>& pools) {
  Entry out;
  out.deployment.node = pools.front()->node;
  out.deployment.engine = pools.front()->engine;
  for (const Proposal* p : pools) {
    out.ttft = std::max(out.ttft, p->steady.ttft);
    out.tpot = std::max(out.tpot, p->steady.tpot);
  }
  const double rate = rate_of(plan, out.ttft, out.tpot);
  for (const Proposal* p : pools) {
    const int instances = needed(rate, p->steady.rate);
    out.deployment.pools.push_back(p->design);
    out.deployment.instances.push_back(instances);
    out.need.push_back(rate / p->steady.most);
    out.within.push_back(rate / p->steady.rate);
    const Loaded l = loaded(plan, p->design, p->steady, rate, instances);
    out.loaded = {std::max(out.loaded.used, l.used), std::max(out.loaded.tpot, l.tpot)};
  }
  out.estimate = out.deployment.cost_per_hour();
  return out;
}

/// Pools of prompts and answers beside each other: each as large as it needs to be, or in the plan's ratios.
void add_pair(const Plan& plan, const Proposal* prompts, const Proposal* answers, std::vector<Entry>& out) {
  if (plan.section.candidates.ratios.empty()) return void(out.push_back(entry_of(plan, {prompts, answers})));
  for (const PoolRatio& ratio : plan.section.candidates.ratios)
    out.push_back(in_ratio(entry_of(plan, {prompts, answers}), ratio));
}

/// How much of what its pools can carry the load takes, all of them: of two that are alike in all else, the one that is
/// less full has more room for load.
double fullness(const Entry& e) {
  double out = 0;
  for (std::size_t p = 0; p < e.need.size(); ++p) out += e.need[p] / e.deployment.instances[p];
  return out;
}

/// Pools of prompts need pools of answers beside them, and the other way.
void drop_lonely(std::vector<Proposal>& all, const std::vector<const Proposal*>& lonely, std::string_view other) {
  for (Proposal& p : all)
    if (std::ranges::find(lonely, &p) != lonely.end())
      p.dropped = fmt::format("alone: no pool of {} can be used on {}", other, node_name(*p.node));
}

}  // namespace

std::vector<Entry> combine(const Plan& plan, std::vector<Proposal>& proposals) {
  std::vector<Entry> out;
  for (const PricedNode& node : plan.nodes)
    for (const std::string& engine : plan.section.candidates.engines) {
      const auto best = [&](Role role) { return best_pools(plan, proposals, node, engine, role); };
      for (const Proposal* p : best(Role::both)) out.push_back(entry_of(plan, {p}));
      const std::vector<const Proposal*> prompts = best(Role::prefill), answers = best(Role::decode);
      if (answers.empty()) drop_lonely(proposals, prompts, "answers");
      if (prompts.empty()) drop_lonely(proposals, answers, "prompts");
      for (const Proposal* p : prompts)
        for (const Proposal* d : answers)
          if (p->design.variant == d->design.variant) add_pair(plan, p, d, out);
    }
  std::ranges::stable_sort(out, {}, [](const Entry& e) {
    return std::tuple(e.estimate, e.deployment.gpus(), e.loaded.used, e.loaded.tpot, fullness(e));
  });
  return out;
}

double rate_of(const Plan& plan, double ttft, double tpot) {
  if (plan.load.clients == 0) return plan.load.rate;
  return plan.load.clients / std::max(1e-6, ttft + plan.load.output * tpot);
}

void fit_to_limits(const Plan& plan, Entry& entry) {
  std::vector<int>& n = entry.deployment.instances;
  const auto too_much = [&] { return !all_met(standings_of_size(plan.section.targets, entry.deployment)); };
  if (!entry.unit.empty()) {
    n = units(entry, times_unit(entry));  // what is known of its pools may have made more of one of them
    while (too_much() && times_unit(entry) > 1) n = units(entry, times_unit(entry) - 1);
    return;
  }
  while (too_much() && std::ranges::max(n) > 1) *std::ranges::max_element(n) -= 1;
}

namespace {
std::vector<Entry*> part_of(std::vector<Entry>& entries, Shard shard) {
  std::vector<Entry*> out;
  for (std::size_t i = std::size_t(shard.number - 1); i < entries.size(); i += std::size_t(shard.of))
    out.push_back(&entries[i]);
  return out;
}

/// The cheapest that meets the targets on windows long enough and over seeds.  What falls there makes room for what
/// cost too much beside it.
void find_winner(const Plan& plan, Search& s, int jobs) {
  do {
    do {
      race(plan, part_of(s.entries, {}), jobs);
    } while (settle(plan, s, jobs, front_tasks(plan, s)));
    mark_front(s.entries);
  } while (!rank(plan, s, jobs));
}

/// Whether what was found is the answer: it holds what the plan requires, or nothing that may be had does.
bool stands(const Plan& plan, Search& s, int jobs) {
  const bool none = !s.winner || 2 * seeds_missed(s) > int(s.ranking.front().headrooms.size());
  if (none && !s.unheld.empty()) choose_unheld(s);
  if (!s.winner || !s.checks.empty()) return true;
  confirm(plan, s, jobs);
  if (!makes_way(plan, s, jobs)) return true;
  if (s.unheld.size() < kMostUnheld) return false;
  choose_unheld(s);
  return true;
}
}  // namespace

Search search(const Plan& plan, int jobs, Shard shard) {
  Search s;
  s.proposals = propose(plan, jobs);
  s.entries = combine(plan, s.proposals);
  if (shard.of > 1) {
    race(plan, part_of(s.entries, shard), jobs);
    return s;
  }
  do {
    find_winner(plan, s, jobs);
  } while (!stands(plan, s, jobs));
  mark_front(s.entries);
  for (const Entry& e : s.entries) s.trials += e.trials;
  if (s.winner) s.entries[*s.winner].fate = Fate::chosen;
  return s;
}
}  // namespace moesim::sizing
