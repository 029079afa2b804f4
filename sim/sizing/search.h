// The search: legal pools in closed form, deployments made of the best, the cheapest that meets the targets by
// simulation.
#pragma once
#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runs/sweeping/confidence.h"
#include "sizing/enumerate.h"
#include "sizing/verdict.h"

namespace moesim::sizing {

enum class Fate { chosen, front, meets, misses, pruned, illegal };
constexpr auto enum_names(Fate) {
  return std::to_array<std::pair<std::string_view, Fate>>({{"chosen", Fate::chosen},
                                                           {"front", Fate::front},
                                                           {"meets", Fate::meets},
                                                           {"misses", Fate::misses},
                                                           {"pruned", Fate::pruned},
                                                           {"illegal", Fate::illegal}});
}

/// Why a deployment fell, beside the words of its reason.
enum class Fell {
  no,
  size,   // the least of it is more than may be had or paid
  far,    // what may be had is far from enough
  cost,   // something cheaper does
  equal,  // something as cheap does, and this could leave no more of its tightest target
  seeds,  // it misses the targets on most seeds
  check,  // it misses a check that the plan requires
};

/// Instances of each pool that are not enough.
struct Missed {
  std::vector<int> instances;
  std::string what;      // they miss
  double used = 0;       // share of the tightest target
  std::string beside{};  // the other pool, where that was another one
};
/// Instances of a pool in such a miss, where no number of them helps.
constexpr int kHowever = 1 << 30;

/// How much load a deployment carries (capacity.h).
struct Carried {
  int step = 0;          // 16ths of the plan's load beyond it
  double load = 0;       // times the plan's
  bool or_more = false;  // more was not looked at
  double missed_at = 0;  // times the plan's; of the least load beyond that was tried
  std::string missed{};  // the tightest target there; "": nothing was missed
};

/// A deployment on its way through the search.
struct Entry {
  Deployment deployment;         // as last simulated, or as its closed form sizes it
  std::vector<int> unit{};       // instances of each pool that come together; empty: each by itself
  std::string beyond{};          // why no number of its instances may be had; "": some may
  double estimate = 0;           // USD/h in closed form
  std::vector<double> need;      // full instances of each pool in closed form, parts of them too
  std::vector<double> within{};  // likewise, no fuller than the targets on latency let them be
  double bound = 0;              // USD/h below which it is not expected to come, by how closed forms missed so far
  double ttft = 0, tpot = 0;     // s, in closed form, of full instances
  Loaded loaded{};               // in closed form, under the plan's load
  Fate fate = Fate::pruned;
  Fell fell = Fell::no;
  std::string reason;              // why it fell, or what binds it
  std::vector<Missed> missed;      // what was tried; fewer of them, or more load, are not enough either
  std::optional<Figures> figures;  // of the last simulation that counts
  Trial trial{};                   // that simulation's
  double stretch = 1;              // of its window over the shortest
  bool settled = false;            // its verdict stands on a window twice as long
  bool whole = false;              // it has as many instances as its nodes hold, if those meet the targets
  int trials = 0;
  double headroom = 0;                         // 1 - the share used of the tightest target
  std::optional<Carried> carried{};            // where several cost as little
  double carries_least = 0, carries_less = 0;  // times the plan's load: bounds, where that is all that is known of it
  /// The share of a pool's instances that the load takes in closed form, of so many as the deployment has.
  double fullness_of(std::size_t pool, const Deployment& d) const {
    const std::vector<double>& asked = within.empty() ? need : within;
    return asked.empty() ? 0 : asked[pool] / d.instances[pool];
  }
  /// Share used of the tightest target, in the nearest miss with other instances; huge if there was none.
  double nearest_miss() const;
};

/// One of the best few, under several seeds.
struct Ranked {
  std::size_t entry = 0;
  std::vector<double> headrooms{};      // by seed, the plan's own first
  std::vector<std::string> tightest{};  // targets, likewise
  double load = 0;                      // times the plan's, that it carries; 0: not known (load_race.h)
  runs::Mean headroom{};
  bool tie = false;  // with the one before: their order is no more than chance
  /// Whether seeds change nothing, as of a recorded load on a model whose steps draw nothing.
  bool fixed() const {
    return headrooms.size() > 1 && std::ranges::all_of(headrooms, [&](double h) { return h == headrooms.front(); });
  }
};

/// A check of a deployment that was found: another seed, a node lost, another load.
struct Check {
  CheckKind kind = CheckKind::seeds;
  std::string what;
  bool met = false;
  std::string standing;
  double used = 0;       // share of the tightest target
  std::size_t pool = 0;  // that more of would help
};

/// An answer but for the checks that the plan requires.
struct Unheld {
  Ranked ranked;
  std::vector<Check> checks;
  std::string missed;  // the first of those that it misses
};

/// A target, so many times looser, with a cheaper deployment that meets it and all others.
struct Relaxation {
  std::string target;       // "ttft_p90"; "share", "ttft of `share`"
  double times = 1;         // the latency; or of what `share` lets miss
  std::string limit{};      // as it would be: "4.50 s"
  Deployment deployment{};  // cheaper than the answer
  Standing tightest{};      // with that target
};
struct Relaxations {
  std::vector<Relaxation> all{};  // of each target that saves something by itself the least, in the order of targets
  std::string none{};             // why no target saves anything by itself; "": some does, or none was looked for
};

struct Search {
  std::vector<Proposal> proposals;
  std::vector<Entry> entries;   // by cost
  std::vector<Ranked> ranking;  // the first three, by cost and headroom
  std::vector<Ranked> fallen;   // that miss the targets on most seeds
  std::vector<Unheld> unheld;   // that miss a check that the plan requires, in the order that they fell
  std::optional<std::size_t> winner;
  std::string why;                  // it won, where others cost as much
  double most_load = 0;             // times the plan's, that one of those carries which cost as little
  std::size_t tied = 0, raced = 0;  // how many cost as little, and of how many it is known how much load they carry
  std::vector<Check> checks;
  Relaxations relaxations{};
  int trials = 0;
};

/// Seeds under which the answer misses a target.
int seeds_missed(const Search& search);

/// The requests that the deployments must serve: the plan's rate, or what its clients ask of answers that fast.
double rate_of(const Plan& plan, double ttft, double tpot);

/// How long a request takes in closed form, s.
inline double end_to_end(const Plan& plan, const Entry& entry) { return entry.ttft + plan.load.output * entry.tpot; }

/// One of several processes that share a search out: it simulates every `of`-th candidate, beginning with the
/// `number`-th, and does not answer.
struct Shard {
  int number = 1, of = 1;
};
/// Same plan, same answer, for any number of jobs.  Throws Interrupted.
Search search(const Plan& plan, int jobs, Shard shard = {});
/// Deployments made of the best of the pools, by cost; the others say why they are part of none.
std::vector<Entry> combine(const Plan& plan, std::vector<Proposal>& proposals);
/// Takes instances away until the entry is within what may be had, one of each pool at least.
void fit_to_limits(const Plan& plan, Entry& entry);
/// Whether it was simulated and meets the targets.
inline bool holds(const Entry& e) { return e.fate == Fate::meets || e.fate == Fate::front || e.fate == Fate::chosen; }
/// The pool that a missed target calls for: of prompts, of answers, or the busier one.
std::size_t pool_at_fault(const Deployment& deployment, const Standing& missed, const Figures& figures);
/// Takes over what was found of these very instances, and what binds them.
void take(Entry& entry, const Verdict& verdict);
/// Of a pool, what is too few beside one other is too few beside any: where a deployment with that pool meets the
/// targets and with fewer of it misses them by far, the entry begins with more.
void learn(Entry& entry, const std::vector<Entry*>& all);
/// Simulates, cheapest first, what was not and can be worth it.
void race(const Plan& plan, const std::vector<Entry*>& entries, int jobs);
/// Simulations of dearer deployments that are faster in closed form, and of the best of each kind of node.
std::vector<std::function<void()>> front_tasks(const Plan& plan, Search& search);
/// Says which ones nobody beats in cost and speed at once.
void mark_front(std::vector<Entry>& entries);
/// Fewest instances, from the entry's own on, that meet all targets under this load and length; false if there are none
/// within what may be had, and then the reason is noted.
/// cheapest: USD/h; an entry that costs more is given up.
/// terms: what they are judged under, but for the end to end time, which is the entry's.
bool minimise(const Plan& plan, Entry& entry, double cheapest = 1e300, const Terms& terms = {});
/// As many instances of each pool as the nodes hold that its own need: they cost nothing.
std::vector<int> filled(const Entry& entry);
/// Whether one instance less of the pool, and no fewer of the other, is known to be too few.
bool has_fewest(const Entry& entry, std::size_t pool);
}  // namespace moesim::sizing
