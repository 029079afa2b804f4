// The fewest instances of each pool that meet the targets, by simulation.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "core/words.h"
#include "sizing/ratio.h"

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
    if (const Verdict& v = at->second; !v.met) {
      const Standing& tightest = *sizing::tightest(v.standings);
      const std::string text = text_of(tightest);
      // "ttft_p90: 5.84 s of 3.00 s"
      entry_.missed.push_back({instances, tightest.target + ":" + text.substr(tightest.target.size()), v.used()});
    }
    last_ = instances;
    return at->second;
  }
  const std::vector<int>& last() const { return last_; }
  bool knows(const std::vector<int>& instances) const { return seen_.contains(instances); }
  bool spent() const { return int(seen_.size()) >= kMostTrials; }

  /// The most instances of a pool that are known not to be enough, where the others have no more than these.
  int least(const std::vector<int>& n, std::size_t pool) const {
    int out = 0;
    for (const Missed& m : entry_.missed) {
      std::vector<int> at = m.instances;
      std::swap(at[pool], at.back());
      std::vector<int> others = n;
      std::swap(others[pool], others.back());
      const auto enough = [](int tried, int now) { return tried >= now; };
      if (std::equal(at.begin(), at.end() - 1, others.begin(), enough)) out = std::max(out, at.back());
    }
    return out;
  }
  /// The most that are not enough and of no pool more than these; null if none is known.
  const Missed* nearest(const std::vector<int>& n) const {
    const Missed* out = nullptr;
    const auto all = [](const Missed& m) { return std::reduce(m.instances.begin(), m.instances.end()); };
    for (const Missed& m : entry_.missed)
      if (std::ranges::equal(m.instances, n, std::less_equal<>{}) && (out == nullptr || all(m) >= all(*out))) out = &m;
    return out;
  }

 private:
  const Plan& plan_;
  Entry& entry_;
  Terms terms_;
  std::map<std::vector<int>, Verdict> seen_;
  std::vector<int> last_;
};

/// The pool that has less of what its closed form asks for: where requests pile up, those that wait for a first token
/// may do so for what holds the answers of others up.
std::size_t scarcer(const Entry& entry, const std::vector<int>& n) {
  return n[0] * entry.need[1] <= n[1] * entry.need[0] ? 0 : 1;
}

/// How many instances of a pool to add.  again: how often some were added to it in vain.
int more_of(int n, const Verdict& v, const Standing& missed, int again) {
  constexpr double kMost = 1.5;  // times what there is
  // What piles up is not served: to serve all takes as many times more.
  double more = v.figures.piled_up > 0 ? 1 / std::max(0.1, 1 - v.figures.piled_up) - 1 : 0;
  // A step's length follows from how many requests are in it, and these are shared out.
  if (missed.target.starts_with("tpot")) more = std::max(more, missed.used() - 1);
  // Queues that outgrow any target say little of how many are missing: a fifth, then twice as many each time.
  if (missed.target.starts_with("ttft")) more = std::max(more, 0.2 * double(1 << std::min(again, 8)));
  return std::max(1, int(n * std::min(more, kMost) + 0.5));
}

/// What may be had is used up: other instances make room for more of the pool, as many as are not known to be too few.
/// False where that is none, or was tried.
bool make_room(const Plan& plan, const Entry& entry, const Trials& trials, std::vector<int>& n, std::size_t pool,
               int by) {
  if (n.size() != 2) return false;
  const std::size_t other = 1 - pool;
  for (; by > 0; --by) {
    Deployment d = entry.deployment;
    d.instances = n;
    d.instances[pool] += by;
    const int floor = std::max({0, int(entry.need[other] * kHopeless), trials.least(d.instances, other)});
    while (--d.instances[other] > floor) {
      if (!all_met(standings_of_size(plan.section.targets, d))) continue;
      if (trials.knows(d.instances)) break;
      n = d.instances;
      return true;
    }
  }
  return false;
}

/// Adds instances until the targets are met.  False where that does not help or cannot be had.
bool grow(const Plan& plan, Entry& entry, Trials& trials, std::vector<int>& n, double cheapest) {
  double before = 1e300;
  int idle = 0;
  std::vector<int> again(n.size());
  while (!trials(n).met) {
    const Standing missed = *tightest(trials(n).standings);
    entry.reason = text_of(missed);
    if (missed.target.starts_with("requests") || trials.spent()) return false;
    // More of the same does not help: prompts may wait for what holds their answers up, and then the other pool does.
    if (missed.used() >= before * 0.999 && ++idle == int(n.size()) + 1) return false;
    before = missed.used();
    std::size_t pool = pool_at_fault(entry.deployment, missed, trials(n).figures);
    if (n.size() == 2 && trials(n).figures.piled_up > 0) pool = scarcer(entry, n);
    if (n.size() == 2 && idle % 2 == 1) pool = 1 - pool;
    Deployment more = entry.deployment;
    more.instances = n;
    // No more than may be had or paid, if that is more than there are.
    const int wanted = more_of(n[pool], trials(n), missed, again[pool]++);
    int by = wanted;
    const auto too_much = [&] {
      more.instances[pool] = n[pool] + by;
      return !all_met(standings_of_size(plan.section.targets, more)) || more.cost_per_hour() > cheapest;
    };
    while (too_much() && by > 1) --by;
    const auto sizes = standings_of_size(plan.section.targets, more);
    if (!all_met(sizes) && make_room(plan, entry, trials, n, pool, wanted)) continue;
    n = more.instances;
    if (!all_met(sizes)) {
      entry.fell = Fell::size;
      entry.reason += ", and more would take " + text_of(*tightest(sizes));
      return false;
    }
    if (more.cost_per_hour() > cheapest) {
      entry.fell = Fell::cost;
      entry.bound = more.cost_per_hour();
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
    int low = std::min(n[pool] - 1, std::max(int(entry.need[pool] * kHopeless), trials.least(n, pool))), high = n[pool];
    while (high - low > std::max(1, high / kFinest) && !trials.spent()) {
      std::vector<int> fewer = n;
      // The pool's utilisation says where to look first.
      const double used = trials(n).figures.utilisation[pool];
      const int guess = high == n[pool] ? std::max(int(std::ceil(high * used)), low + 1) : (low + high) / 2;
      fewer[pool] = std::clamp(guess, low + 1, high - 1);
      (trials(fewer).met ? high : low) = fewer[pool];
    }
    n[pool] = high;
  }
}

/// "1 node fewer would miss ttft_p90: 5.84 s of 3.00 s"
std::string fewer_text(const Deployment& d, const Missed& missed) {
  Deployment fewer = d;
  fewer.instances = missed.instances;
  const int gpus = d.gpus() - fewer.gpus(), node = d.node->node.gpus;
  const std::string what = gpus == 0          ? "instances"
                           : gpus % node == 0 ? counted(std::size_t(gpus / node), "node")
                                              : counted(std::size_t(gpus), "GPU");
  return fmt::format("{} fewer would miss {}{}{}", gpus == 0 ? "an instance" : what, missed.what,
                     missed.beside.empty() ? "" : " beside ", missed.beside);
}
}  // namespace

std::size_t pool_at_fault(const Deployment& d, const Standing& missed, const Figures& f) {
  if (d.pools.size() == 1) return 0;
  if (missed.target.starts_with("ttft")) return 0;
  if (missed.target.starts_with("tpot") || missed.target.starts_with("itl")) return 1;
  return f.utilisation[0] >= f.utilisation[1] ? 0 : 1;
}

double Entry::nearest_miss() const {
  double out = 1e300;
  for (const Missed& m : missed) out = std::min(out, m.used);
  return out;
}

void take(Entry& entry, const Verdict& v) {
  entry.figures = v.figures;
  entry.trial = v.trial;
  entry.stretch = v.stretch;
  entry.fate = v.met ? Fate::meets : Fate::misses;
  entry.headroom = 1 - v.used();
}

bool has_fewest(const Entry& e, std::size_t pool) {
  const std::vector<int>& n = e.deployment.instances;
  const int fewer = n[pool] - 1;
  return fewer <= int(e.need[pool] * kHopeless) || std::ranges::any_of(e.missed, [&](const Missed& m) {
           bool others = true;
           for (std::size_t p = 0; p < n.size(); ++p) others = others && (p == pool || m.instances[p] >= n[p]);
           return others && m.instances[pool] == fewer;
         });
}

bool minimise(const Plan& plan, Entry& entry, double cheapest, const Terms& terms) {
  if (!entry.unit.empty()) return minimise_in_ratio(plan, entry, cheapest, terms);
  Trials trials(plan, entry, terms);
  std::vector<int> n = entry.deployment.instances;
  entry.fell = Fell::no;
  try {
    if (!grow(plan, entry, trials, n, cheapest)) {
      entry.deployment.instances = trials.last();
      take(entry, trials(trials.last()));
      return false;
    }
    shrink(entry, trials, n);
  } catch (const ConfigError& e) {
    entry.fate = Fate::illegal;
    entry.reason = e.problem();
    return false;
  }
  entry.deployment.instances = n;
  take(entry, trials(n));
  for (Missed& m : entry.missed)
    for (std::size_t p = 0; p < n.size(); ++p) m.instances[p] = std::min(m.instances[p], n[p]);
  const Missed* fewer = trials.nearest(n);
  entry.reason = fewer != nullptr ? fewer_text(entry.deployment, *fewer) : text_of(*tightest(trials(n).standings));
  return true;
}
}  // namespace moesim::sizing
