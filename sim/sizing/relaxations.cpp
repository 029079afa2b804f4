#include "sizing/relaxations.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <tuple>

#include "results/summary.h"
#include "runs/parallel.h"
#include "sizing/ratio.h"

namespace moesim::sizing {
namespace {
constexpr std::array kLooser{1.25, 1.5, 2.0};  // times a target; what is looser is another service
constexpr std::size_t kMostCheaper = 4;        // simulated
constexpr std::size_t kMostAnew = 2;           // of these, where a target has its requests counted anew
constexpr double kTooFull = 1 / 0.7;           // of what instances carry in closed form, which does not miss by so much

/// One target, to be made looser.
struct Loosened {
  std::string name;
  std::function<void(Targets&, double)> loosen;
  std::function<std::string(const Targets&)> limit;
  bool of_request = false;  // a share of requests is counted anew
};

std::string limit_text(Time t) { return results::pretty(seconds(t), "s"); }

std::vector<Loosened> loosened(const Targets& t) {
  std::vector<Loosened> out;
  for (std::size_t i = 0; i < kLatencies.size(); ++i)
    if (t.latency[i])
      out.push_back({std::string(kLatencies[i]),
                     [i](Targets& x, double times) { x.latency[i] = from_seconds(seconds(*x.latency[i]) * times); },
                     [i](const Targets& x) { return limit_text(*x.latency[i]); }});
  if (t.share > 0 && t.share < 1)
    out.push_back({"share", [](Targets& x, double times) { x.share = std::max(0.0, 1 - (1 - x.share) * times); },
                   [](const Targets& x) { return fmt::format("{:.4g} %", 100 * x.share); }});
  for (const auto& [name, each] : {std::pair("ttft", &Targets::ttft), {"tpot", &Targets::tpot}, {"e2e", &Targets::e2e}})
    if (t.share > 0 && (t.*each).v > 0)
      out.push_back({fmt::format("{} of `share`", name),
                     [each = each](Targets& x, double times) { x.*each = from_seconds(seconds(x.*each) * times); },
                     [each = each](const Targets& x) { return limit_text(x.*each); }, true});
  return out;
}

/// What costs less than the answer, and its figures under the plan.
struct Cheaper {
  Entry entry;
  double full = 0;  // the fullest pool in closed form
  double end = 0;   // s, of a request likewise
  Verdict verdict{};
  Terms terms() const { return {.end_to_end = end}; }
};

/// The entry with as many instances as cost less than so much, each to the pool that is fullest; false if the least of
/// it does not.
bool size_below(const Plan& plan, Entry& entry, double cost) {
  Deployment& d = entry.deployment;
  const auto fits = [&](std::vector<int> n) {
    std::swap(d.instances, n);
    if (d.cost_per_hour() < cost * (1 - 1e-9) && all_met(standings_of_size(plan.section.targets, d))) return true;
    std::swap(d.instances, n);
    return false;
  };
  d.instances = smallest_of(entry).instances;
  if (std::vector<int> least = d.instances; !fits(std::move(least))) return false;
  if (!entry.unit.empty()) {
    for (int times = 2; fits(units(entry, times));) ++times;
    return true;
  }
  std::vector<std::size_t> pools(d.pools.size());
  for (std::size_t p = 0; p < pools.size(); ++p) pools[p] = p;
  for (bool more = true; more;) {
    std::ranges::stable_sort(pools, std::greater<>{}, [&](std::size_t p) { return entry.need[p] / d.instances[p]; });
    more = std::ranges::any_of(pools, [&](std::size_t p) {
      std::vector<int> n = d.instances;
      ++n[p];
      return fits(std::move(n));
    });
  }
  return true;
}

/// Deployments whose pools may be as slow as they get when full: looser targets allow what these do not.
std::vector<Entry> however_slow(const Plan& plan, const Search& s) {
  std::vector<Proposal> pools = s.proposals;
  for (Proposal& p : pools) {
    if (!p.usable() || p.steady.rate >= p.steady.most) continue;
    p.steady.rate = p.steady.most;
    // Little: no more than a full batch is under way, so that a token takes no longer.
    const double full = double(p.design.batch) * p.design.data * p.design.pipeline;
    if (p.design.role != serving::Role::prefill)
      p.steady.tpot = std::max(p.steady.tpot, full / (std::max(1.0, plan.load.output - 1) * p.steady.most));
  }
  return combine(plan, pools);
}

bool same_layouts(const Deployment& a, const Deployment& b) {
  return a.node == b.node && a.engine == b.engine &&
         std::ranges::equal(a.pools, b.pools, [](const PoolDesign& x, const PoolDesign& y) {
           return std::tuple(x.role, x.tensor, x.data, x.pipeline, x.experts_tensor) ==
                  std::tuple(y.role, y.tensor, y.data, y.pipeline, y.experts_tensor);
         });
}

/// The emptiest few of other layouts, the cheapest first.
std::vector<Cheaper> cheaper_than(const Plan& plan, const Search& s, double cost) {
  std::vector<Cheaper> all, out;
  const auto consider = [&](Entry e) {
    if (!e.beyond.empty() || e.fate == Fate::illegal || !size_below(plan, e, cost)) return;
    double full = 0;
    for (std::size_t p = 0; p < e.need.size(); ++p) full = std::max(full, e.need[p] / e.deployment.instances[p]);
    const double end = end_to_end(plan, e);
    if (full <= kTooFull) all.push_back({std::move(e), full, end});
  };
  for (const Entry& e : s.entries) consider(e);
  for (Entry& e : however_slow(plan, s)) consider(std::move(e));
  std::ranges::stable_sort(all, {}, &Cheaper::full);
  for (Cheaper& c : all) {
    const bool known = std::ranges::any_of(
        out, [&](const Cheaper& o) { return same_layouts(o.entry.deployment, c.entry.deployment); });
    if (!known && out.size() < kMostCheaper) out.push_back(std::move(c));
  }
  std::ranges::stable_sort(out, {}, [](const Cheaper& c) { return c.entry.deployment.cost_per_hour(); });
  return out;
}

/// Whether it can meet the plan's targets with this one so much looser, as far as its figures say.
bool could_meet(const Targets& looser, const Loosened& target, const Cheaper& c) {
  const auto all = standings(looser, c.verdict.figures);
  return std::ranges::all_of(all,
                             [&](const Standing& s) { return s.met() || (target.of_request && s.target == "share"); });
}

/// The target as loose as it must be for a cheaper deployment to do, no looser than it may be.
std::optional<Relaxation> least_of(const Plan& plan, const Loosened& target, const std::vector<Cheaper>& cheaper) {
  const auto meets = [&](double times, const Cheaper& c) -> std::optional<Relaxation> {
    Plan looser = plan;
    target.loosen(looser.section.targets, times);
    if (!could_meet(looser.section.targets, target, c)) return std::nullopt;
    const Verdict v = judge(looser, c.entry.deployment, c.terms());
    if (!v.met) return std::nullopt;
    return Relaxation{target.name, times, target.limit(looser.section.targets), c.entry.deployment,
                      *tightest(v.standings)};
  };
  std::vector<const Cheaper*> left;
  for (const Cheaper& c : cheaper)
    if (!target.of_request || (left.size() < kMostAnew && meets(kLooser.back(), c))) left.push_back(&c);
  for (const double times : kLooser)
    for (const Cheaper* c : left)
      if (std::optional<Relaxation> found = meets(times, *c)) return found;
  return std::nullopt;
}

/// "ttft_p90 6.10 s of 3.00 s"; of what comes nearest.
std::string nearest_miss(const std::vector<Cheaper>& cheaper) {
  const auto& nearest = *std::ranges::min_element(cheaper, {}, [](const Cheaper& c) { return c.verdict.used(); });
  return fmt::format("{} has {}", text_of(nearest.entry.deployment), text_of(*tightest(nearest.verdict.standings)));
}

std::string times_text(const Relaxation& r) { return fmt::format("{} x {:.4g}, {}", r.target, r.times, r.limit); }
std::string deployment_text(const Deployment& d) { return fmt::format("{} on {}", text_of(d), node_name(*d.node)); }
}  // namespace

Relaxations relax(const Plan& plan, const Search& s, int jobs) {
  Relaxations out;
  const Deployment& answer = s.entries[*s.winner].deployment;
  std::vector<Cheaper> cheaper = cheaper_than(plan, s, answer.cost_per_hour());
  if (cheaper.empty()) {
    out.none = "nothing that costs less has room for the load";
    return out;
  }
  runs::run_all("cheaper deployments", cheaper.size(), jobs, [&](std::size_t k) {
    cheaper[k].verdict = judge_once(plan, cheaper[k].entry.deployment, cheaper[k].terms());
  });
  stop_if_interrupted();
  const std::vector<Loosened> targets = loosened(plan.section.targets);
  std::vector<std::optional<Relaxation>> found(targets.size());
  runs::run_all("looser targets", targets.size(), jobs,
                [&](std::size_t k) { found[k] = least_of(plan, targets[k], cheaper); });
  stop_if_interrupted();
  for (std::optional<Relaxation>& r : found)
    if (r) out.all.push_back(std::move(*r));
  if (out.all.empty())
    out.none = fmt::format("none of {} cheaper deployments tried does with one target up to {:.4g} times as loose; {}",
                           cheaper.size(), kLooser.back(), nearest_miss(cheaper));
  return out;
}

std::vector<Variation> rows_of(const Relaxations& relaxations) {
  std::vector<Variation> out;
  for (const Relaxation& r : relaxations.all)
    out.push_back({.what = times_text(r),
                   .met = true,
                   .gpus = r.deployment.gpus(),
                   .cost_per_hour = r.deployment.cost_per_hour(),
                   .standing = text_of(r.tightest),
                   .other = deployment_text(r.deployment)});
  return out;
}

std::string text_of(const Relaxations& relaxations, const Deployment& answer) {
  if (relaxations.all.empty())
    return relaxations.none.empty() ? "" : "no target relaxed saves anything: " + relaxations.none;
  const Relaxation& r = *std::ranges::min_element(
      relaxations.all, {}, [](const Relaxation& x) { return std::pair(x.times, x.deployment.cost_per_hour()); });
  const int nodes = r.deployment.node == answer.node ? answer.nodes() - r.deployment.nodes() : 0;
  return fmt::format("cheapest relaxation: {} would save {:.2f} USD/h{}: {}", times_text(r),
                     answer.cost_per_hour() - r.deployment.cost_per_hour(),
                     nodes > 0 ? fmt::format(", {} node{}", nodes, nodes == 1 ? "" : "s") : "",
                     deployment_text(r.deployment));
}
}  // namespace moesim::sizing
