// The whole run of a mapping: its steps, what interrupts them, and what nodes in waiting gain.
#pragma once
#include <vector>

#include "sizing/pretraining/step_trial.h"

namespace moesim::sizing {

/// The whole run, interruptions included: as one draw of what interrupts it, or as the mean over several.
struct RunFigures {
  int spares = 0;                                                                    // nodes in waiting
  double days = 0, gpu_hours = 0, paid_gpus = 0, cost = 0, goodput = 1, energy = 0;  // .., USD, share, J
  double failures = 0;                                                               // of GPUs, adapters and nodes
  double saving = 0, lost = 0, restarting = 0, waiting = 0, straggling = 0;          // days
  double paid_gpu_hours() const { return days * 24 * paid_gpus; }
  bool operator==(const RunFigures&) const = default;
};
/// The run over several draws of what interrupts it: means, and what is held against the targets.
struct DrawnRun : RunFigures {
  double within_days = 0, within_cost = 0;  // that the share of the draws asked for takes at most; .., USD
  double met = 1;                           // share of the draws that are within the targets
  RunFigures own{};                         // the first draw, of the plan's seed: the answer's scenario plays it
  bool operator==(const DrawnRun&) const = default;
};
/// Mean of some values, and the least that a share of them, in (0, 1], is no more than: of n the ceil(share n)-th.
struct Spread {
  double mean = 0, within = 0;
};
Spread spread_of(std::vector<double> values, double share);

/// What a run of so many spare nodes shows of all others on the same nodes: with the same random numbers the same
/// things fail at the same moments, whatever is computed.  Nothing where GPUs turn slow: these are found between steps.
class Interruptions {
 public:
  /// From a failure until the run goes on; s from its start, one after the other.
  void add(double begin, double end);
  std::size_t size() const { return all_.size(); }
  /// Days that a run of `work` seconds of steps takes at least: nothing is lost and nothing is saved.
  double least_days(double work) const;

 private:
  struct One {
    double worked = 0, end = 0;  // s that can have been worked before it
  };
  std::vector<One> all_;
};
/// Of each draw.
using DrawnInterruptions = std::vector<Interruptions>;

/// What a plan might be instead.
struct RunChange {
  double tokens = 1, mtbf = 1;  // times the plan's
};

class WholeRun {
 public:
  /// Simulates the steps that the run needs besides one of `step` s.  Throws ConfigError for what cannot be formed.
  WholeRun(const Job& job, const Mapping& mapping, double step);
  /// One draw: 0 is of the plan's seed, each further one of the seed after it.
  /// seen: takes the interruptions.  Throws ConfigError for a run that does not get on.
  RunFigures play(int spares, const RunChange& change = {}, int draw = 0, Interruptions* seen = nullptr) const;
  /// All of the job's draws, the same random numbers whatever the mapping and however many nodes wait.
  /// seen: takes the interruptions of each draw.
  DrawnRun drawn(int spares, const RunChange& change = {}, DrawnInterruptions* seen = nullptr) const;

 private:
  const Job& job_;
  Mapping mapping_;
  training::CampaignSection section_;
  training::CampaignSteps steps_;
};

/// Numbers of spare nodes that a mapping may have, rising: within what may be had.
std::vector<int> spares_of(const Job& job, const Mapping& mapping);
/// All GPUs of its nodes and of spare ones.
double paid_gpus(const Mapping& mapping, int spares);
}  // namespace moesim::sizing
