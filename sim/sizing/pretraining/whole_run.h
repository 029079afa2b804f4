// The whole run of a mapping: its steps, what interrupts them, and what nodes in waiting gain.
#pragma once
#include <map>
#include <vector>

#include "sizing/pretraining/step_trial.h"

namespace moesim::sizing {

/// The whole run, interruptions included.
struct RunFigures {
  int spares = 0;                                                                    // nodes in waiting
  double days = 0, gpu_hours = 0, paid_gpus = 0, cost = 0, goodput = 1, energy = 0;  // .., USD, share, J
  double failures = 0;                                                               // of GPUs, adapters and nodes
  double saving = 0, lost = 0, restarting = 0, waiting = 0, straggling = 0;          // days
  double paid_gpu_hours() const { return days * 24 * paid_gpus; }
  bool operator==(const RunFigures&) const = default;
};

/// From a failure until the run goes on; s from its start.
struct Interruption {
  double begin = 0, end = 0;
};
/// What a run of so many spare nodes shows of all others on the same nodes: with the same random numbers the same
/// things fail at the same moments, whatever is computed.  Nothing where GPUs turn slow: these are found between steps.
using Interruptions = std::vector<Interruption>;

/// Days that a run of `work` seconds of steps takes at least: nothing is lost and nothing is saved.
double least_days(double work, const Interruptions& known);

/// What a plan might be instead.
struct RunChange {
  double tokens = 1, mtbf = 1;  // times the plan's
};

class WholeRun {
 public:
  /// Simulates the steps that the run needs besides one of `step` s.  Throws ConfigError for what cannot be formed.
  WholeRun(const Job& job, const Mapping& mapping, double step);
  /// seen: takes the interruptions.  Throws ConfigError for a run that does not get on.
  RunFigures play(int spares, const RunChange& change = {}, Interruptions* seen = nullptr) const;

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
