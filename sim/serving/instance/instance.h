// One copy of the model: its attention ranks with their queues and KV caches, stepping together.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "serving/instance/rank_batch.h"
#include "serving/instance/stage_clock.h"
#include "serving/step/step_model.h"

namespace moesim::serving {

class Instance {
 public:
  Instance(Engine& engine, Requests& requests, InstanceOwner& owner, const InstanceShape& shape, const Batcher& batcher,
           std::unique_ptr<StepModel> step_model, std::uint64_t seed);

  /// Puts a request at the end of a rank's queue.
  void enqueue(std::uint32_t slot, int rank);
  /// A remote request's KV cache is here.
  void received(std::uint32_t slot);
  /// Gives back what a remote request holds here (this is the prefill instance).
  void release_source(std::uint32_t slot);

  const InstanceShape& shape() const { return context_.shape; }
  int ranks() const { return int(ranks_.size()); }
  bool rank_up(int rank) const { return ranks_[std::size_t(rank)].up(); }
  int ranks_down() const { return ranks_down_; }
  /// load.cached is left alone.
  RankLoad load(int rank) const { return ranks_[std::size_t(rank)].load(); }
  /// Ranks whose load has changed since the last call, with duplicates left out.
  void take_changed(std::vector<int>& ranks) { context_.changed.take(ranks); }
  std::int64_t cached_tokens(int rank, const Request& request) const;
  const KvCache& cache(int rank) const { return ranks_[std::size_t(rank)].kv(); }
  bool empty() const;
  const InstanceTotals& totals() const { return context_.totals; }

  StepModel& step_model() { return *step_model_; }
  /// Adds a delay to the next step (weights that move, an expert group that regroups).
  void stall(Time delay) { context_.stall += delay; }
  /// No step starts before this moment.
  void hold_until(Time moment);
  /// The rank's KV cache and everything on it is lost; its requests become homeless.  Returns tokens of lost work.
  std::int64_t lose_rank(int rank, bool stays_down);
  void restore_rank(int rank);
  /// Every rank's prefix cache has these blocks before the first request comes.
  void warm(std::span<const std::uint64_t> hashes);
  /// The run ends while requests are under way: what they have so far is written to them.
  void settle();

 private:
  /// One of the batches that are under way, as many as there are pipeline stages.
  struct PipelineBatch {
    std::vector<RankBatch> ranks;
    bool running = false;
    Time started{};
    StepWork work;
    StepTimes times;
    std::int64_t step = 0;
  };
  void report_change();
  void report_change(Rank& rank);
  void kick();
  void start_idle();
  void start(std::size_t batch);
  std::int64_t form(PipelineBatch& batch);
  void end(std::size_t batch);

  InstanceContext context_;
  std::unique_ptr<StepModel> step_model_;
  std::vector<Rank> ranks_;
  int ranks_down_ = 0;
  std::vector<PipelineBatch> batches_;
  StageClock clock_;
  bool kicked_ = false;
  std::int64_t steps_ = 0;
  Time last_end_{-1};  // of a step
};
}  // namespace moesim::serving
