// What is simulated, in which order, and what cannot pay for being simulated.
#include <fmt/format.h>

#include <algorithm>

#include "core/log.h"
#include "runs/parallel.h"
#include "sizing/ratio.h"

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

/// Two pools apart, of which this one is the same.
bool same_pool(const Deployment& a, const Deployment& b, std::size_t pool) {
  return a.pools.size() == 2 && b.pools.size() == 2 && a.node == b.node && a.engine == b.engine &&
         a.pools[pool] == b.pools[pool];
}

/// What has the same pool of answers, is bound by it, and is no dearer than the entry can come out: how prompts are
/// read changes neither how many instances of that pool the load takes nor how long they take for a token, so that the
/// entry can be no cheaper and leave no more of the tightest target.  Null: there is none.
const Entry* equal_of(const Plan& plan, const Entry& entry, const std::vector<Entry*>& all) {
  for (const Entry* o : all) {
    if (o == &entry || !holds(*o) || !same_pool(o->deployment, entry.deployment, 1)) continue;
    Deployment least = entry.deployment;
    least.instances = {1, o->deployment.instances[1]};
    const std::vector<Standing> standing = standings(plan.section.targets, *o->figures);
    const std::string& binds = tightest(standing)->target;
    if ((binds.starts_with("tpot") || binds.starts_with("itl")) && has_fewest(*o, 1) &&
        least.cost_per_hour() >= o->deployment.cost_per_hour())
      return o;
  }
  return nullptr;
}

/// Whether simulating it can pay: targets on size hold at its bound, it is not beyond the cheapest, and nothing that is
/// known says what would come of it.
bool worth(const Plan& plan, Entry& entry, const std::vector<Entry*>& all, double cheapest, double trust) {
  if (!entry.beyond.empty()) {
    entry.fell = Fell::size;
    entry.reason = entry.beyond;
    return false;
  }
  const Deployment least = smallest_of(entry);
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
  if (plan.section.search.exhaustive) {
    entry.fell = Fell::no;
    return true;
  }
  if (entry.bound > cheapest) {
    if (tried) return false;
    entry.fell = Fell::cost;
    entry.reason = fmt::format("cost: not below {:.2f} USD/h, {:.2f} do", entry.bound, cheapest);
    return false;
  }
  if (const Entry* o = tried ? nullptr : equal_of(plan, entry, all)) {
    entry.fell = Fell::equal;
    entry.reason =
        fmt::format("equal: no cheaper than {}, and its answers come from the same pool: {}", text_of(o->deployment),
                    text_of(*tightest(standings(plan.section.targets, *o->figures))));
    return false;
  }
  entry.fell = Fell::no;
  return true;
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

/// Whether one of the round may say what would come of it.
bool may_be_equal(const Entry& entry, const std::vector<Entry*>& round) {
  return std::ranges::any_of(round, [&](const Entry* o) {
    return o->estimate == entry.estimate && same_pool(o->deployment, entry.deployment, 1);
  });
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
  const std::size_t count = entries.size();
  Progress progress("simulating", entries.size(), "candidates");
  while (!entries.empty()) {
    progress.at(count - entries.size(), cheapest < 1e300 ? fmt::format("cheapest so far {:.2f} USD/h", cheapest) : "");
    std::vector<Entry*> round, later;
    for (Entry* e : entries) {
      if (round.size() == kRound || (!plan.section.search.exhaustive && may_be_equal(*e, round)))
        later.push_back(e);
      else if (worth(plan, *e, all, cheapest, trust()))
        round.push_back(e);
    }
    entries = std::move(later);
    if (round.empty()) continue;
    const double cap = cap_of(plan, all, cheapest, any && cheapest == 1e300);
    if (!plan.section.search.exhaustive)
      for (Entry* e : round) learn(*e, all);
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

void learn(Entry& entry, const std::vector<Entry*>& all) {
  for (const std::size_t pool : {0, 1}) {
    const Missed* most = nullptr;
    const Entry* of = nullptr;
    for (const Entry* o : all) {
      if (o == &entry || !holds(*o) || !same_pool(o->deployment, entry.deployment, pool)) continue;
      const std::vector<int>& n = o->deployment.instances;
      for (const Missed& m : o->missed)
        if (m.beside.empty() && m.used > kFar && m.instances[pool] < n[pool] && m.instances[1 - pool] >= n[1 - pool] &&
            (most == nullptr || m.instances[pool] > most->instances[pool]))
          most = &m, of = o;
    }
    if (most == nullptr) continue;
    Missed& known = entry.missed.emplace_back(*most);
    known.instances[1 - pool] = kHowever;
    known.beside = text_of(of->deployment.pools[1 - pool], most->instances[1 - pool]);
    int& n = entry.deployment.instances[pool];
    n = std::max(n, known.instances[pool] + 1);
  }
}

void race(const Plan& plan, const std::vector<Entry*>& all, int jobs) { race(plan, all, jobs, false); }
}  // namespace moesim::sizing
