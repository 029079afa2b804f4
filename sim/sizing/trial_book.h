// Simulations that were done, so that a search that was cut short or shared out does none of them twice.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "results/results.h"
#include "sizing/pretraining/step_trial.h"
#include "sizing/search.h"
#include "sizing/trial.h"

namespace moesim::sizing {

/// A simulation is told by its scenario and seed, of a step by its batch as well; its figures follow from them.
class TrialBook {
 public:
  using Key = std::pair<std::string, std::uint64_t>;
  struct StepKey {
    std::string scenario;
    std::uint64_t seed = 1;
    int batch = 0;
    auto operator<=>(const StepKey&) const = default;
  };

  std::optional<Figures> find(const std::string& scenario, std::uint64_t seed) const;
  /// From any thread.  Goes to `results` at once, if there are any.
  void add(const std::string& scenario, std::uint64_t seed, const Figures& figures);
  std::optional<StepResult> find(const StepKey& key) const;
  void add(const StepKey& key, const StepResult& result);
  /// Writes what is there, and from then on what is added.  results must outlive the book's use.
  void keep_in(results::Results& results);
  /// Rows in an order that does not depend on which simulation ended first.
  void put_in_order(results::Results& results) const;

  std::size_t size() const;
  /// Simulations of services that were looked up or added since forget_asked(): those that an answer rests on, whether
  /// they were done now, before or by a shard.
  std::size_t asked() const;
  void forget_asked();

 private:
  mutable std::mutex mutex_;
  std::map<Key, Figures> figures_;
  mutable std::set<Key> asked_;
  std::map<StepKey, StepResult> steps_;
  results::Results* results_ = nullptr;
};

/// What is asked beside the plan's file, as lines of run.resolved: values that were set, and which shard this is.
std::string asked_text(const std::vector<Config::Override>& overrides, Shard shard);

/// Adds the simulations of `file`, a database of `moesim size`.  Throws ConfigError if it is none, or of another plan,
/// values set, seed, shard or version of the program; or has other figures for a simulation that is there already.
void read_trials(const std::string& file, const results::RunIdentity& search, TrialBook& book);
/// The search that `file` is of, or nothing if it is no database of `moesim size`.
std::optional<results::RunIdentity> search_in(const std::string& file);

/// Puts the simulations of shards of one search into a new database, from which `moesim size --resume` answers.
/// Throws ConfigError if they are not of one search, if one is given twice, or is missing.  partial: some may be.
void merge_trials(const std::string& output, const std::vector<std::string>& shards, bool partial = false);
}  // namespace moesim::sizing
