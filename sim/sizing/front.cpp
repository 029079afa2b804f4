// Who is cheaper or faster than everybody else: the front, and the best of each kind of node.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "sizing/search.h"

namespace moesim::sizing {
namespace {
// assumed: nobody pays more than this many times the least for speed that was not asked for
constexpr double kDearest = 2;
constexpr std::size_t kMostFaster = 2;  // simulated for it

/// Not simulated since something cheaper does: what else fell by its closed form cannot be built.
bool was_spared(const Entry& e) { return e.fate == Fate::pruned && e.fell == Fell::cost; }

/// Each faster in closed form than all cheaper ones, cheapest first.
std::vector<Entry*> faster(std::vector<Entry>& entries, double cheapest) {
  std::vector<Entry*> out;
  double fastest = 1e300;
  for (Entry& e : entries)
    if (holds(e)) fastest = std::min(fastest, e.loaded.tpot);
  for (Entry& e : entries) {  // by estimate
    if (!was_spared(e) || e.estimate > kDearest * cheapest || e.loaded.tpot >= fastest) continue;
    fastest = e.loaded.tpot;
    out.push_back(&e);
  }
  // The ends of a front say most: the fastest ones.
  if (out.size() > kMostFaster) out.erase(out.begin(), out.end() - kMostFaster);
  return out;
}

/// The first of each kind of node and layout of which none was simulated.
std::vector<Entry*> unseen(const Plan& plan, std::vector<Entry>& entries) {
  std::vector<Entry*> out;
  for (const PricedNode& node : plan.nodes)
    for (const std::size_t pools : {1, 2}) {
      const auto of_kind = [&](const Entry& e) {
        return e.deployment.node == &node && e.deployment.pools.size() == pools;
      };
      if (std::ranges::any_of(entries, [&](const Entry& e) { return of_kind(e) && holds(e); })) continue;
      const auto first = std::ranges::find_if(entries, [&](const Entry& e) { return of_kind(e) && was_spared(e); });
      if (first != entries.end()) out.push_back(&*first);
    }
  return out;
}
}  // namespace

void mark_front(std::vector<Entry>& entries) {
  const auto token = [](const Entry& e) { return e.figures->latency[latency_index("tpot_p50")]; };
  for (Entry& e : entries) {
    if (!holds(e)) continue;
    e.fate = Fate::meets;
    const bool beaten = std::ranges::any_of(entries, [&](const Entry& other) {
      if (!holds(other)) return false;
      const double a = other.deployment.cost_per_hour(), b = e.deployment.cost_per_hour();
      return a <= b && token(other) <= token(e) && (a < b || token(other) < token(e));
    });
    if (!beaten) e.fate = Fate::front;
  }
}

std::vector<std::function<void()>> front_tasks(const Plan& plan, Search& s) {
  double cheapest = 1e300;
  for (const Entry& e : s.entries)
    if (holds(e)) cheapest = std::min(cheapest, e.deployment.cost_per_hour());
  if (cheapest == 1e300) return {};
  std::vector<Entry*> more = faster(s.entries, cheapest);
  for (Entry* e : unseen(plan, s.entries))
    if (std::ranges::find(more, e) == more.end()) more.push_back(e);
  std::vector<std::function<void()>> out;
  for (Entry* e : more)
    out.push_back([&plan, e, cheapest] {
      e->fell = Fell::no;
      fit_to_limits(plan, *e);
      // As the closed form sizes it: fewer instances would be slower.
      const Verdict v = judge(plan, e->deployment, {.end_to_end = end_to_end(plan, *e)});
      e->trials += v.trials;
      if (v.met) {
        take(*e, v);
        e->reason = text_of(*tightest(v.standings));
      } else {
        minimise(plan, *e, kDearest * cheapest);
      }
    });
  return out;
}
}  // namespace moesim::sizing
