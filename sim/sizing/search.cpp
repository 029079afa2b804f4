#include "sizing/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/log.h"
#include "runs/parallel.h"

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

/// The cheapest usable pools of a role on a kind of node: the best of each layout, a few layouts; ties as proposed.
std::vector<const Proposal*> best_pools(const Plan& plan, const std::vector<Proposal>& all, const PricedNode& node,
                                        const std::string& engine, Role role) {
  std::vector<const Proposal*> sorted, out;
  for (const Proposal& p : all)
    if (p.node == &node && p.engine == engine && p.design.role == role && p.usable()) sorted.push_back(&p);
  std::ranges::stable_sort(sorted, {}, [&](const Proposal* p) { return pool_cost(plan, *p); });
  if (plan.section.search.exhaustive) return sorted;
  for (const Proposal* p : sorted) {
    if (int(out.size()) >= plan.section.search.keep) break;
    if (std::ranges::none_of(out, [&](const Proposal* o) { return same_layout(o->design, p->design); }))
      out.push_back(p);
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
    out.need.push_back(rate / p->steady.rate);
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

/// Whether simulating it can pay: targets on size hold at its bound, and it is not beyond the cheapest.
bool worth(const Plan& plan, Entry& entry, double cheapest, double trust) {
  Deployment least = entry.deployment;
  for (int& n : least.instances) n = 1;
  if (const auto sizes = standings_of_size(plan.section.targets, least); !all_met(sizes)) {
    entry.reason = text_of(*tightest(sizes));
    return false;
  }
  entry.bound = std::max(least.cost_per_hour(), entry.estimate * trust);
  if (plan.section.search.exhaustive || entry.bound <= cheapest) return true;
  entry.reason = fmt::format("cost: not below {:.2f} USD/h, {:.2f} do", entry.bound, cheapest);
  return false;
}

/// Within what may be had, before anything is simulated.
void fit_to_limits(const Plan& plan, Entry& entry) {
  std::vector<int>& n = entry.deployment.instances;
  while (!all_met(standings_of_size(plan.section.targets, entry.deployment)) && std::ranges::max(n) > 1)
    *std::ranges::max_element(n) -= 1;
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

/// The cheapest; of equals the one with most headroom, then the first proposed.
std::optional<std::size_t> cheapest(const std::vector<Entry>& entries) {
  std::optional<std::size_t> out;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Entry& e = entries[i];
    if (e.fate != Fate::meets && e.fate != Fate::front) continue;
    if (!out) {
      out = i;
      continue;
    }
    const Entry& best = entries[*out];
    const double a = e.deployment.cost_per_hour(), b = best.deployment.cost_per_hour();
    if (a < b * (1 - 1e-9) || (a <= b * (1 + 1e-9) && e.headroom > best.headroom)) out = i;
  }
  return out;
}

// assumed: gaps between arrivals that vary twice as much as those of independent ones; how bursty a service's traffic
// is, its operator knows.
constexpr double kBursts = 2;
/// Loads as unequal as DeepSeek-V3's in serving (reports/routing.md).
constexpr const char* kUneven = "{kind: log_normal, sigma: 0.75}";
bool is_balanced(const Plan& plan) {
  return plan.routing_text.empty() || plan.routing_text.find("balanced") != std::string::npos;
}

/// The winner under other seeds, over a longer time, with a node lost, and under loads that a plan may not think of.
void confirm(Plan plan, Search& s) {
  const Entry& winner = s.entries[*s.winner];
  const double end = end_to_end(plan, winner);
  const auto check = [&](std::string what, const Trial& trial) {
    const auto all = standings(plan.section.targets, simulate(plan, winner.deployment, trial));
    ++s.trials;
    s.checks.push_back({std::move(what), all_met(all), text_of(*tightest(all)), tightest(all)->used()});
  };
  const std::uint64_t seed = plan.seed;
  for (int k = 1; k < plan.section.search.seeds; ++k) {
    plan.seed = seed + std::uint64_t(k);
    check(fmt::format("seed {}", plan.seed), trial_for(plan, end, 2));
  }
  plan.seed = seed;
  Trial lost = trial_for(plan, end, 2);
  lost.faults = fmt::format("[{{kind: node, at: {}, pool: {}, instance: 0}}]", to_text(lost.warmup),
                            name_of(winner.deployment.pools.back().role));
  check("a node lost", lost);
  if (has_gaps(plan)) {
    Trial bursts = trial_for(plan, end, 2);
    bursts.burstiness = kBursts;
    check("arrivals in bursts", bursts);
  }
  if (plan.model.moe && is_balanced(plan)) {
    Trial uneven = trial_for(plan, end, 2);
    uneven.routing = kUneven;
    check("experts unevenly loaded", uneven);
  }
}
}  // namespace

double rate_of(const Plan& plan, double ttft, double tpot) {
  if (plan.load.clients == 0) return plan.load.rate;
  return plan.load.clients / std::max(1e-6, ttft + plan.load.output * tpot);
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
  s.winner = cheapest(s.entries);
  for (const Entry& e : s.entries) s.trials += e.trials;
  if (!s.winner) return s;
  s.entries[*s.winner].fate = Fate::chosen;
  confirm(plan, s);
  return s;
}
}  // namespace moesim::sizing
