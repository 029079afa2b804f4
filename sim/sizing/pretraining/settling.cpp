#include "sizing/pretraining/settling.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "runs/parallel.h"
#include "sizing/pretraining/judging.h"

namespace moesim::sizing {
namespace {
constexpr std::size_t kStepsAtOnce = 4;  // fixed, so that the number of jobs does not matter

class Settling {
 public:
  Settling(const Job& job, const Group& group, int jobs, Choice& out) : job_(job), jobs_(jobs), out_(out) {
    for (MappingEntry* e : group)
      if (e->fate != MappingFate::illegal && e->fate != MappingFate::misses) open_.push_back(e);
  }

  void settle() {
    Group all = open_;
    while (!open_.empty()) {
      std::ranges::stable_sort(open_, {}, step_of);
      std::erase_if(open_, [&](MappingEntry* e) { return is_ruled_out(*e); });
      if (open_.empty()) break;
      if (!simulate_first()) play_first();
    }
    // What comes nearest, where bounds alone say that nothing meets the targets.
    std::erase_if(all, [](const MappingEntry* e) { return !e->result; });
    if (played_ || all.empty()) return;
    open_ = {*std::ranges::min_element(all, {}, step_of)};
    play_first();
  }

 private:
  static double step_of(const MappingEntry* e) { return e->result ? e->result->step : e->least; }
  std::size_t number_of(const MappingEntry& e) const { return std::size_t(&e - out_.entries.data()); }

  /// What is known of runs with so many spare nodes, by draw; null: nothing.  Where the most that were tried never
  /// waited for a repair, more of them change nothing.
  const DrawnInterruptions* known(int spares) const {
    if (const auto at = known_.find(spares); at != known_.end()) return &at->second.draws;
    if (known_.empty() || spares < known_.rbegin()->first) return nullptr;
    const Known& most = known_.rbegin()->second;
    return most.waits ? nullptr : &most.draws;
  }
  /// Days that a run of `work` s of steps takes at least with so many spare nodes: the mean over its draws, and what
  /// the share of them asked for takes at least.
  Spread least_of(double work, int spares) {
    least_.clear();
    if (const DrawnInterruptions* draws = known(spares))
      for (const Interruptions& draw : *draws) least_.push_back(draw.least_days(work));
    else
      least_.push_back(Interruptions().least_days(work));
    return spread_of(least_, job_.section.targets.share);
  }

  /// No run of it can meet the targets, or be better than the best so far: says so.
  bool is_ruled_out(MappingEntry& e) {
    const double work = job_.least_steps() * step_of(&e);
    std::string reason;
    bool may_meet = false;
    double days = 0, cost = 0;
    for (const int spares : spares_of(job_, e.mapping)) {
      const auto [least, in_share] = least_of(work, spares);
      const double gpus = paid_gpus(e.mapping, spares), usd_a_day = 24 * gpus * e.mapping.node->gpu_hour;
      const double least_cost = least * usd_a_day;
      if (const std::string why = missed(job_, in_share, in_share * usd_a_day, true); !why.empty()) {
        if (reason.empty()) reason = why;
        continue;
      }
      if (!best_ || rank_of(job_, least, least_cost, gpus, number_of(e)) < *best_) return false;
      if (!may_meet || least < days) days = least;
      if (!may_meet || least_cost < cost) cost = least_cost;
      may_meet = true;
    }
    e.fate = may_meet ? MappingFate::slower : MappingFate::misses;
    if (!may_meet)
      e.reason = reason + " at the very least";
    else if (e.result)
      e.reason = job_.section.targets.days > 0 ? dearer(cost) : longer(days);
    return true;
  }

  std::string dearer(double cost) const {
    return "slower: its run costs at least " + apart(cost, std::get<0>(*best_), "USD", "as much as the best");
  }
  std::string longer(double days) const {
    const double best = std::get<0>(*best_);
    return "slower: its run takes at least " + (best < 1 ? apart(24 * days, 24 * best, "h", "as long as the best")
                                                         : apart(days, best, "days", "as long as the best"));
  }

  /// The steps of the first ones, where they are not known in full.
  bool simulate_first() {
    Group round;
    for (MappingEntry* e : open_) {
      if (round.size() == kStepsAtOnce || (e->result && !e->result->drawn_out)) break;
      round.push_back(e);
    }
    if (round.empty()) return false;
    runs::run_all("", round.size(), jobs_, [&](std::size_t k) {
      MappingEntry& e = *round[k];
      const bool full = e.result.has_value();
      e.result.reset();
      with_what_fits(job_, e, [&] { e.result = simulate_step(job_, e.mapping, full); });
    });
    stop_if_interrupted();
    out_.simulations += int(round.size());
    std::erase_if(open_, [](const MappingEntry* e) { return e->fate == MappingFate::illegal; });
    return true;
  }

  /// Of each draw the longer of what was seen before and now.
  void keep(int spares, DrawnInterruptions seen, bool waits) {
    Known& known = known_[spares];
    known.draws.resize(seen.size());
    for (std::size_t k = 0; k < seen.size(); ++k)
      if (seen[k].size() > known.draws[k].size()) known.draws[k] = std::move(seen[k]);
    known.waits = known.waits || waits;
  }

  void play_first() {
    MappingEntry& e = *open_.front();
    open_.erase(open_.begin());
    played_ = true;
    try {
      const WholeRun run(job_, e.mapping, e.result->step);
      for (const int spares : spares_of(job_, e.mapping)) {
        DrawnInterruptions seen;
        e.runs.push_back(run.drawn(spares, {}, &seen));
        ++out_.runs;
        const bool waits = e.runs.back().waiting > 0;
        keep(spares, std::move(seen), waits);
        if (!waits) break;  // more of them would do as these, for more
      }
    } catch (const ConfigError& error) {
      if (e.runs.empty()) {
        e.fate = MappingFate::misses;
        e.reason = fmt::format("{}: {}", name_of_run(job_), error.problem());
        return;
      }
    }
    judge(job_, e);
    const Rank rank = rank_of(job_, e, number_of(e));
    if (e.fate == MappingFate::meets && (!best_ || rank < *best_)) best_ = rank;
  }

  const Job& job_;
  int jobs_;
  Choice& out_;
  Group open_;
  struct Known {
    DrawnInterruptions draws;
    bool waits = false;  // some draw of some run, for a repair
  };
  std::map<int, Known> known_;  // by spare nodes
  std::vector<double> least_;   // a buffer
  std::optional<Rank> best_;
  bool played_ = false;
};
}  // namespace

void settle(const Job& job, const Group& group, int jobs, Choice& out) { Settling(job, group, jobs, out).settle(); }
}  // namespace moesim::sizing
