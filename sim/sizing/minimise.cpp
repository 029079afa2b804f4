// The fewest instances of each pool that meet the targets, by simulation.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "sizing/search.h"

namespace moesim::sizing {
namespace {
constexpr int kMostTrials = 10;
constexpr int kFinest = 32;        // of many instances, to this part of them: windows tell no finer
constexpr double kHopeless = 0.7;  // of the instances that the closed form asks for

/// Simulates numbers of instances once each.
class Trials {
 public:
  Trials(const Plan& plan, Entry& entry, const Terms& terms) : plan_(plan), entry_(entry), terms_(terms) {
    terms_.end_to_end = end_to_end(plan, entry);
  }

  const Verdict& operator()(const std::vector<int>& instances) {
    const auto [at, fresh] = seen_.try_emplace(instances);
    if (!fresh) return at->second;
    Deployment d = entry_.deployment;
    d.instances = instances;
    at->second = judge(plan_, d, terms_);
    entry_.trials += at->second.trials;
    last_ = instances;
    return at->second;
  }
  const std::vector<int>& last() const { return last_; }
  /// Share used of the tightest target where it was missed by least.
  double nearest_miss() const {
    double out = 1e300;
    for (const auto& [instances, seen] : seen_)
      if (!seen.met) out = std::min(out, seen.used());
    return out;
  }
  bool spent() const { return int(seen_.size()) >= kMostTrials; }

 private:
  const Plan& plan_;
  Entry& entry_;
  Terms terms_;
  std::map<std::vector<int>, Verdict> seen_;
  std::vector<int> last_;
};

/// The pool that a missed target calls for: of prompts, of answers, or the busier one.
std::size_t pool_at_fault(const Deployment& d, const Standing& missed, const Figures& f) {
  if (d.pools.size() == 1) return 0;
  if (missed.target.starts_with("ttft")) return 0;
  if (missed.target.starts_with("tpot") || missed.target.starts_with("itl")) return 1;
  return f.utilisation[0] >= f.utilisation[1] ? 0 : 1;
}

/// Adds instances until the targets are met.  False where that does not help or cannot be had.
bool grow(const Plan& plan, Entry& entry, Trials& trials, std::vector<int>& n, double cheapest) {
  double before = 1e300;
  int idle = 0;
  while (!trials(n).met) {
    const Standing missed = *tightest(trials(n).standings);
    entry.reason = text_of(missed);
    if (missed.target.starts_with("requests") || trials.spent()) return false;
    // More of the same does not help: prompts may wait for what holds their answers up, and then the other pool does.
    if (missed.used() >= before * 0.999 && ++idle == int(n.size()) + 1) return false;
    before = missed.used();
    std::size_t pool = pool_at_fault(entry.deployment, missed, trials(n).figures);
    if (n.size() == 2 && idle % 2 == 1) pool = 1 - pool;
    // Queues that outgrow any target say little of how many are missing: a fifth at a time.
    n[pool] += std::max(1, n[pool] / 5);
    Deployment more = entry.deployment;
    more.instances = n;
    if (const auto sizes = standings_of_size(plan.section.targets, more); !all_met(sizes)) {
      entry.reason += ", and more would take " + text_of(*tightest(sizes));
      return false;
    }
    if (more.cost_per_hour() > cheapest) {
      entry.reason += fmt::format(", and more would cost {:.2f} USD/h", more.cost_per_hour());
      return false;
    }
  }
  return true;
}

/// Takes instances away while the targets are met: halving the distance to none, then one by one.
void shrink(Entry& entry, Trials& trials, std::vector<int>& n) {
  for (std::size_t pool = 0; pool < n.size(); ++pool) {
    // low fails (none serve nobody; closed forms do not miss by so much), high meets
    int low = std::min(n[pool] - 1, int(entry.need[pool] * kHopeless)), high = n[pool];
    while (high - low > std::max(1, high / kFinest) && !trials.spent()) {
      std::vector<int> fewer = n;
      // The pool's utilisation says where to look first.
      const double used = trials(n).figures.utilisation[pool];
      const int guess = high == n[pool] ? std::max(int(std::ceil(high * used)), low + 1) : (low + high) / 2;
      fewer[pool] = std::clamp(guess, low + 1, high - 1);
      if (trials(fewer).met) {
        high = fewer[pool];
      } else {
        low = fewer[pool];
        entry.reason = "with fewer, " + text_of(*tightest(trials(fewer).standings));
      }
    }
    n[pool] = high;
  }
}
}  // namespace

void take(Entry& entry, const Verdict& v) {
  entry.figures = v.figures;
  entry.trial = v.trial;
  entry.stretch = v.stretch;
  entry.fate = v.met ? Fate::meets : Fate::misses;
  entry.headroom = 1 - v.used();
}

bool minimise(const Plan& plan, Entry& entry, double cheapest, const Terms& terms) {
  Trials trials(plan, entry, terms);
  std::vector<int> n = entry.deployment.instances;
  try {
    if (!grow(plan, entry, trials, n, cheapest)) {
      entry.deployment.instances = trials.last();
      take(entry, trials(trials.last()));
      return false;
    }
    entry.reason.clear();
    shrink(entry, trials, n);
  } catch (const ConfigError& e) {
    entry.fate = Fate::illegal;
    entry.reason = e.problem();
    return false;
  }
  entry.deployment.instances = n;
  take(entry, trials(n));
  entry.nearest_miss = trials.nearest_miss();
  if (entry.reason.empty()) entry.reason = text_of(*tightest(trials(n).standings));
  return true;
}
}  // namespace moesim::sizing
