#include "sizing/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/log.h"
#include "runs/parallel.h"
#include "sizing/confirm.h"
#include "sizing/ranking.h"

namespace moesim::sizing {
namespace {
using serving::Role;

/// Entries simulated between two looks at the cheapest so far; fixed, so that the number of jobs does not matter.
constexpr std::size_t kRound = 4;
/// Simulated deployments from which on the closed forms' own misses say how far they may be trusted.
constexpr int kKnown = 6;

int needed(double rate, double each) { return std::max(1, int(std::ceil(rate / each - 1e-9))); }

/// What whole instances of a pool cost that carry the load, USD/h; then what parts of them would.
std::pair<double, double> pool_cost(const Plan& plan, const Proposal& p) {
  const double rate = rate_of(plan, p.steady.ttft, p.steady.tpot);
  const Deployment alone{p.node, p.engine, {p.design}, {needed(rate, p.steady.rate)}};
  return {alone.cost_per_hour(), rate * p.request_cost()};
}

bool same_layout(const PoolDesign& a, const PoolDesign& b) {
  return a.tensor == b.tensor && a.data == b.data && a.experts_tensor == b.experts_tensor;
}

/// Too slow with a full batch: whether it meets the targets hangs on how full it gets, which its limit does not bound.
bool may_overrun(const Proposal& p) { return p.steady.rate < p.steady.most; }

/// The cheapest usable pools of a role on a kind of node: the best of each layout, a few layouts; ties as proposed.
/// Those that may overrun are chosen for themselves, so that they displace none that cannot.
std::vector<const Proposal*> best_pools(const Plan& plan, const std::vector<Proposal>& all, const PricedNode& node,
                                        const std::string& engine, Role role) {
  std::vector<const Proposal*> sorted, out;
  for (const Proposal& p : all)
    if (p.node == &node && p.engine == engine && p.design.role == role && p.usable()) sorted.push_back(&p);
  std::ranges::stable_sort(sorted, {}, [&](const Proposal* p) { return pool_cost(plan, *p); });
  if (plan.section.search.exhaustive) return sorted;
  for (const bool overrun : {false, true}) {
    std::vector<const Proposal*> kept;
    for (const Proposal* p : sorted) {
      if (may_overrun(*p) != overrun) continue;
      if (int(kept.size()) >= plan.section.search.keep) break;
      if (std::ranges::none_of(kept, [&](const Proposal* o) { return same_layout(o->design, p->design); }))
        kept.push_back(p);
    }
    std::ranges::move(kept, std::back_inserter(out));
  }
  return out;
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
    out.deployment.pools.push_back(p->design);
    out.deployment.instances.push_back(needed(rate, p->steady.rate));
    out.need.push_back(rate / p->steady.most);
  }
  out.estimate = out.deployment.cost_per_hour();
  return out;
}

/// Deployments made of the best pools.
std::vector<Entry> combine(const Plan& plan, const std::vector<Proposal>& proposals) {
  std::vector<Entry> out;
  for (const PricedNode& node : plan.nodes)
    for (const std::string& engine : plan.section.candidates.engines) {
      const auto best = [&](Role role) { return best_pools(plan, proposals, node, engine, role); };
      for (const Proposal* p : best(Role::both)) out.push_back(entry_of(plan, {p}));
      const std::vector<const Proposal*> decodes = best(Role::decode);
      for (const Proposal* p : best(Role::prefill))
        for (const Proposal* d : decodes) out.push_back(entry_of(plan, {p, d}));
    }
  std::ranges::stable_sort(out, [](const Entry& a, const Entry& b) {
    return std::tuple(a.estimate, a.deployment.gpus(), a.tpot) < std::tuple(b.estimate, b.deployment.gpus(), b.tpot);
  });
  return out;
}

/// Closed forms do not miss by this much: what cannot carry a third of the load is not simulated under all of it.
constexpr double kBeyond = 3;

/// What the closed form asks for beside what may be had, where that is far from enough; "": it is not.
std::string far_beyond(const Entry& entry) {
  const Deployment& d = entry.deployment;
  double nodes = 0;
  for (std::size_t p = 0; p < d.pools.size(); ++p) nodes += entry.need[p] * d.pools[p].gpus() / d.node->node.gpus;
  if (nodes <= kBeyond * d.node->choice.most) return "";
  return fmt::format("nodes: the load takes {:.3g} in closed form, {} may be had", nodes, d.node->choice.most);
}

/// Whether simulating it can pay: targets on size hold at its bound, and it is not beyond the cheapest.
bool worth(const Plan& plan, Entry& entry, double cheapest, double trust) {
  Deployment least = entry.deployment;
  for (int& n : least.instances) n = 1;
  if (const auto sizes = standings_of_size(plan.section.targets, least); !all_met(sizes)) {
    entry.reason = text_of(*tightest(sizes));
    return false;
  }
  if (entry.reason = far_beyond(entry); !entry.reason.empty()) return false;
  entry.bound = std::max(least.cost_per_hour(), entry.estimate * trust);
  if (plan.section.search.exhaustive || entry.bound <= cheapest) return true;
  entry.reason = fmt::format("cost: not below {:.2f} USD/h, {:.2f} do", entry.bound, cheapest);
  return false;
}

/// The least that a simulated deployment cost of its closed form: none is expected to come out lower, but for a
/// reserve.
class Trust {
 public:
  explicit Trust(double margin) : margin_(margin) {}
  void seen(const Entry& e) {
    ++count_;
    least_ = std::min(least_, e.deployment.cost_per_hour() / e.estimate);
  }
  double operator()() const {
    constexpr double kReserve = 0.95;
    return count_ < kKnown ? 1 - margin_ : std::min(1.0, least_ * kReserve);
  }

 private:
  double margin_, least_ = 1e300;
  int count_ = 0;
};

void race(const Plan& plan, std::vector<Entry*> entries, int jobs) {
  double cheapest = 1e300;
  Trust trust(plan.section.search.margin);
  Progress progress("simulating", entries.size(), "candidates");
  for (std::size_t first = 0; first < entries.size(); first += kRound) {
    progress.at(first, cheapest < 1e300 ? fmt::format("cheapest so far {:.2f} USD/h", cheapest) : "");
    std::vector<Entry*> round;
    for (std::size_t i = first; i < std::min(first + kRound, entries.size()); ++i)
      if (worth(plan, *entries[i], cheapest, trust())) round.push_back(entries[i]);
    if (round.empty()) continue;
    runs::run_all("", round.size(), jobs, [&](std::size_t k) {
      fit_to_limits(plan, *round[k]);
      minimise(plan, *round[k], plan.section.search.exhaustive ? 1e300 : cheapest * (1 + plan.section.search.margin));
    });
    stop_if_interrupted();
    for (const Entry* e : round) {
      if (e->fate != Fate::meets) continue;
      cheapest = std::min(cheapest, e->deployment.cost_per_hour());
      trust.seen(*e);
    }
  }
}

/// Nobody is cheaper and faster at once.
void mark_front(std::vector<Entry>& entries) {
  const auto token = [](const Entry& e) { return e.figures->latency[latency_index("tpot_p50")]; };
  for (Entry& e : entries) {
    if (e.fate != Fate::meets) continue;
    const bool beaten = std::ranges::any_of(entries, [&](const Entry& other) {
      if (!other.figures || (other.fate != Fate::meets && other.fate != Fate::front)) return false;
      const double a = other.deployment.cost_per_hour(), b = e.deployment.cost_per_hour();
      return a <= b && token(other) <= token(e) && (a < b || token(other) < token(e));
    });
    if (!beaten) e.fate = Fate::front;
  }
}

}  // namespace

double rate_of(const Plan& plan, double ttft, double tpot) {
  if (plan.load.clients == 0) return plan.load.rate;
  return plan.load.clients / std::max(1e-6, ttft + plan.load.output * tpot);
}

void fit_to_limits(const Plan& plan, Entry& entry) {
  std::vector<int>& n = entry.deployment.instances;
  while (!all_met(standings_of_size(plan.section.targets, entry.deployment)) && std::ranges::max(n) > 1)
    *std::ranges::max_element(n) -= 1;
}

Search search(const Plan& plan, int jobs, Shard shard) {
  Search s;
  s.proposals = propose(plan, jobs);
  s.entries = combine(plan, s.proposals);
  std::vector<Entry*> mine;
  for (std::size_t i = std::size_t(shard.number - 1); i < s.entries.size(); i += std::size_t(shard.of))
    mine.push_back(&s.entries[i]);
  race(plan, std::move(mine), jobs);
  if (shard.of > 1) return s;
  mark_front(s.entries);
  for (const Entry& e : s.entries) s.trials += e.trials;
  rank(plan, s, jobs);
  if (!s.winner) return s;
  s.entries[*s.winner].fate = Fate::chosen;
  confirm(plan, s, jobs);
  return s;
}
}  // namespace moesim::sizing
