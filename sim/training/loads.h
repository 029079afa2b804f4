// Who sends how much to whom in each micro-batch and layer: drawn when first needed, kept from forward to backward.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "exchange/exchanger.h"
#include "routing/traffic.h"
#include "training/plan.h"

namespace moesim::training {

/// Rows above the capacity do not reach their expert.  Returns how many were dropped.
/// Of an overfull expert every source loses the same share, of a token list the last tokens lose theirs.
std::int64_t drop_rows(const CapacitySection& capacity, int experts_per_device, routing::Traffic& traffic);

/// The exchange loads of the micro-batches in flight.
class TrainingLoads {
 public:
  /// maps: one a MoE layer in order, for layers from layer_numbers; the MTP module's layer uses the last one's.
  TrainingLoads(const TrainingPlan& plan, const routing::TrafficSource& source,
                const std::vector<exchange::ExpertMap>& maps, const spec::GroupShape& group,
                const exchange::ReplicaSpec& replica_choice = {});

  /// Draws it if it is the first to ask: what lane 0 exchanges, with the rows that its experts compute, of all lanes.
  /// (GPUs that share each expert's width exchange rows with their like, lane by lane; each computes the rows of all.)
  /// Valid until release().
  const exchange::ExchangeLoad& of(int replica, int stage, int block, int micro_batch);
  void release(int replica, int stage, int micro_batch);
  /// Which training step the micro-batches belong to: other steps, other draws.
  void begin_step(std::int64_t step);
  /// Rows of each expert drawn in this step, (MoE layers, experts), of all simulated replicas; the MTP module's left
  /// out.
  const std::vector<double>& step_rows() const { return step_rows_; }
  /// New places for the row-th MoE layer's experts, and the MTP module's after the last; between steps, when no
  /// micro-batch is in flight.  As many slots a GPU as before.
  void set_map(std::size_t row, const exchange::ExpertMap& map);
  /// What the replica choice takes before this block's dispatch.
  Time solve_time(int stage, int block) const;
  int slots_per_gpu() const { return exchangers_.front()->map().slots_per_gpu; }

  /// What was drawn so far, over layers, micro-batches and steps.
  struct Statistics {
    double draws = 0, balancedness = 0, imbalance = 0, expert_max_over_mean = 0, expert_gini = 0, nodes_per_token = 0;
    std::int64_t rows = 0, dropped = 0;
    std::vector<int> layers;                  // model layer numbers
    std::vector<std::vector<double>> tokens;  // (layers, experts), of replica 0
    std::vector<std::int64_t> gpu_rows;       // (replicas, stages, members) rows computed
  };
  const Statistics& statistics() const { return statistics_; }

 private:
  struct Flight {
    std::vector<exchange::ExchangeLoad> loads;  // by block
    std::vector<bool> drawn;
  };
  std::size_t key(int replica, int stage, int micro_batch) const;
  std::size_t exchanger_of(int layer) const;
  void draw(int replica, int stage, int block, int micro_batch, exchange::ExchangeLoad& out);
  void note(int replica, int stage, int layer_row, const exchange::ExchangeLoad& load);

  const TrainingPlan& plan_;
  const routing::TrafficSource& source_;
  spec::GroupShape group_;
  exchange::ReplicaSpec replica_choice_;
  std::size_t moe_layers_;
  std::vector<std::unique_ptr<exchange::Exchanger>> exchangers_;  // one, or one a MoE layer
  std::vector<std::int32_t> tokens_;                              // (members) that each feeds in
  std::vector<std::int32_t> flight_of_;                           // (replicas, stages, micro-batches), -1 for none
  std::vector<std::unique_ptr<Flight>> flights_;
  std::vector<std::int32_t> free_;
  std::vector<int> row_of_layer_;  // (model layers + 1): index among MoE layers, -1 for none
  routing::Traffic traffic_;
  std::vector<double> expert_rows_, step_rows_;
  std::vector<std::int32_t> lane_rows_;
  std::int64_t step_ = 0;
  Statistics statistics_;
};
}  // namespace moesim::training
