// What is simulated, in which order, and what cannot pay for being simulated.
#include <fmt/format.h>

#include <algorithm>

#include "core/log.h"
#include "runs/parallel.h"
#include "sizing/search.h"

namespace moesim::sizing {
namespace {
/// Entries simulated between two looks at the cheapest so far; fixed, so that the number of jobs does not matter.
constexpr std::size_t kRound = 4;
/// Simulated deployments from which on the closed forms' own misses say how far they may be trusted.
constexpr int kKnown = 6;

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
    entry.fell = Fell::size;
    entry.reason = text_of(*tightest(sizes));
    return false;
  }
  if (entry.reason = far_beyond(entry); !entry.reason.empty()) {
    entry.fell = Fell::far;
    return false;
  }
  const bool tried = entry.fate == Fate::misses;  // and more of it was too dear: its bound is what more would cost
  if (!tried) entry.bound = std::max(least.cost_per_hour(), entry.estimate * trust);
  if (plan.section.search.exhaustive || entry.bound <= cheapest) {
    entry.fell = Fell::no;
    return true;
  }
  if (tried) return false;
  entry.fell = Fell::cost;
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

}  // namespace

namespace {
/// The most that a deployment may cost, USD/h: what is so much dearer than the cheapest is given up.  Before one is
/// known that meets the targets, closed forms say what that may be.
double cap_of(const Plan& plan, const std::vector<Entry*>& entries, double cheapest, bool any) {
  if (plan.section.search.exhaustive || any) return 1e300;
  if (cheapest < 1e300) return cheapest * (1 + plan.section.search.margin);
  double least = 1e300;
  for (const Entry* e : entries) least = std::min(least, e->estimate);
  return kBeyond * least;
}

/// any: whatever they cost, as long as none is known that meets the targets.
void race(const Plan& plan, const std::vector<Entry*>& all, int jobs, bool any) {
  double cheapest = 1e300;
  Trust trust(plan.section.search.margin);
  std::vector<Entry*> entries;
  for (Entry* e : all) {
    if (e->fate == Fate::pruned || (e->fate == Fate::misses && e->fell == Fell::cost)) entries.push_back(e);
    if (!holds(*e)) continue;
    cheapest = std::min(cheapest, e->deployment.cost_per_hour());
    trust.seen(*e);
  }
  Progress progress("simulating", entries.size(), "candidates");
  for (std::size_t first = 0; first < entries.size(); first += kRound) {
    progress.at(first, cheapest < 1e300 ? fmt::format("cheapest so far {:.2f} USD/h", cheapest) : "");
    std::vector<Entry*> round;
    for (std::size_t i = first; i < std::min(first + kRound, entries.size()); ++i)
      if (worth(plan, *entries[i], cheapest, trust())) round.push_back(entries[i]);
    if (round.empty()) continue;
    const double cap = cap_of(plan, all, cheapest, any && cheapest == 1e300);
    runs::run_all("", round.size(), jobs, [&](std::size_t k) {
      fit_to_limits(plan, *round[k]);
      minimise(plan, *round[k], cap);
    });
    stop_if_interrupted();
    for (const Entry* e : round) {
      if (e->fate != Fate::meets) continue;
      cheapest = std::min(cheapest, e->deployment.cost_per_hour());
      trust.seen(*e);
    }
  }
  // What was given up for what nobody does: something as dear may be the cheapest.
  const bool again = std::ranges::any_of(
      all, [&](const Entry* e) { return e->fate == Fate::misses && e->fell == Fell::cost && e->bound <= cheapest; });
  if (again) race(plan, all, jobs, true);
}
}  // namespace

void race(const Plan& plan, const std::vector<Entry*>& all, int jobs) { race(plan, all, jobs, false); }
}  // namespace moesim::sizing
