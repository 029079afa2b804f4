// The search over mappings, and what it chose.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "results/study.h"
#include "sizing/pretraining/whole_run.h"
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
  std::vector<DrawnRun> runs{};   // its whole runs, fewest spare nodes first
  std::optional<DrawnRun> run{};  // the best of them

  /// Of its steps alone, without what interrupts them.
  double hours(const Job& job, double step) const { return step * job.steps() / 3600; }
  double days(const Job& job) const { return hours(job, result->step) / 24; }
  double cost(const Job& job) const { return hours(job, result->step) * mapping.cost_per_hour(); }  // USD
};

/// The answer, if the plan or what it asks for were another.
struct NextStep {
  std::string what;
  bool met = true;
  double gpus = 0, days = 0, cost = 0;
  std::string standing{};
};

struct Choice {
  std::vector<MappingEntry> entries;  // as mappings() gives them
  std::optional<std::size_t> winner;
  std::optional<DrawnRun> run;        // the whole run of the answer; without interruptions where none are asked for
  std::vector<DrawnRun> with_spares;  // the same with other numbers of spare nodes, where things may fail
  std::vector<NextStep> next;
  int simulations = 0, runs = 0;  // of a step; whole runs, judged by
  results::StudyEnd end{};        // how the whole run was simulated, where it is kept
  std::string resolved{};         // its settings

  /// The best of each kind and number of nodes that was simulated, as numbers of entries: by the whole run where one
  /// has been simulated, else by the steps alone.
  std::vector<std::size_t> best_of_each() const;
  /// Among so many nodes of a kind, or nothing.
  std::optional<std::size_t> best_of(const PricedNode& node, int nodes) const;
};

/// Same plan and seed, same choice, for any number of jobs.  A shard simulates every `of`-th mapping of a kind and
/// number of nodes, beginning with the `number`-th, and does not choose.  Throws Interrupted.
/// keep: takes all rows of the whole run of what was chosen; null: nobody does.
Choice choose(const Job& job, int jobs, Shard shard = {}, results::Results* keep = nullptr);
}  // namespace moesim::sizing
