// The search over mappings, and what it chose.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "results/study.h"
#include "sizing/pretraining/step_trial.h"
#include "sizing/search.h"

namespace moesim::sizing {

enum class MappingFate { chosen, meets, misses, slower, illegal };
constexpr auto enum_names(MappingFate) {
  return std::to_array<std::pair<std::string_view, MappingFate>>({{"chosen", MappingFate::chosen},
                                                                  {"meets", MappingFate::meets},
                                                                  {"misses", MappingFate::misses},
                                                                  {"slower", MappingFate::slower},
                                                                  {"illegal", MappingFate::illegal}});
}

struct MappingEntry {
  Mapping mapping;
  MappingFate fate = MappingFate::slower;
  std::string reason{};  // what binds it, or why it fell
  double least = 0;      // s: no step of it is shorter
  std::optional<StepResult> result{};

  double hours(const Job& job, double step) const { return step * job.steps() / 3600; }
  double days(const Job& job) const { return hours(job, result->step) / 24; }
  double cost(const Job& job) const { return hours(job, result->step) * mapping.cost_per_hour(); }  // USD
};

/// The whole run of what was chosen, interruptions included.
struct RunFigures {
  int spares = 0;                                                            // nodes in waiting
  double days = 0, gpu_hours = 0, cost = 0, goodput = 1, energy = 0;         // .., USD, share, J
  double failures = 0;                                                       // of GPUs, adapters and nodes
  double saving = 0, lost = 0, restarting = 0, waiting = 0, straggling = 0;  // days
};

struct Choice {
  std::vector<MappingEntry> entries;  // as mappings() gives them
  std::optional<std::size_t> winner;
  std::optional<RunFigures> run;
  std::vector<RunFigures> with_spares;  // the same run with other numbers of spare nodes, where things may fail
  int simulations = 0;
  results::StudyEnd end{};  // how the whole run was simulated, where it is kept
  std::string resolved{};   // its settings

  /// The fastest of each kind and number of nodes that was simulated, as numbers of entries.
  std::vector<std::size_t> best_of_each() const;
};

/// Same plan and seed, same choice, for any number of jobs.  A shard simulates every `of`-th mapping of a kind and
/// number of nodes, beginning with the `number`-th, and does not choose.  Throws Interrupted.
/// keep: takes all rows of the whole run of what was chosen; null: nobody does.
Choice choose(const Job& job, int jobs, Shard shard = {}, results::Results* keep = nullptr);
}  // namespace moesim::sizing
