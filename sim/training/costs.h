// What the pieces of a training step cost: kernels from the layers' inventories, exchanges from the routing,
// collectives from the network.
#pragma once
#include <map>
#include <memory>
#include <vector>

#include "compute/kernel_model.h"
#include "network/collective.h"
#include "network/network.h"
#include "schedule/executor.h"
#include "training/loads.h"
#include "training/plan.h"

namespace moesim {

/// Parameters of one block on one GPU.
struct BlockParameters {
  double dense = 0;    // shared by all data-parallel replicas
  double experts = 0;  // shared by the replicas of the experts
};
BlockParameters block_parameters(const TrainingPlan& plan, const PlanBlock& block);

/// Time of one block without its routed experts, and of the experts with the mean number of rows: forward and both
/// backwards.  For cutting the model into stages.
double block_seconds(const TrainingPlan& plan, const PlanBlock& block, KernelCosts& kernels);

class TrainingCosts final : public StepCosts {
 public:
  /// loads: null for a dense model.  Throws ConfigError if what the GPUs hold before any micro-batch does not fit.
  TrainingCosts(const TrainingPlan& plan, KernelCosts& kernels, Network& network, TrainingLoads* loads);
  ~TrainingCosts() override;

  int blocks(int stage) const override { return int(plan_.stages[std::size_t(stage)].size()); }
  BlockTraits traits(int stage, int block) const override;
  int layer(int stage, int block) const override;
  PieceCost compute(const PieceRef& piece) override;
  std::unique_ptr<Rendezvous> exchange(const PieceRef& piece, std::function<void(int)> arrived) override;
  void send(const GpuSeat& from, int to_rank, bool forward, Action delivered) override;
  Bytes kept(const PieceRef& piece) override;
  Bytes resident(int rank) const override { return resident_[std::size_t(rank)].total(); }
  Bytes memory() const override { return plan_.cluster.node.gpu.memory; }
  void finished(int replica, int stage, int micro_batch) override;
  Time reduction(int rank, int chunk) const override;
  bool reduction_overlapped() const override { return plan_.section.gradient_reduction == Hiding::overlapped; }
  Time gather(int rank, int chunk) const override;
  bool gather_overlapped() const override { return plan_.section.parameter_gathering == Hiding::overlapped; }
  Time norm() const override { return norm_; }
  Time optimizer(const GpuSeat& seat) const override;

  GpuId gpu(const GpuSeat& seat) const;
  /// Counts a step's collectives on the links, all GPUs of the plan: they are priced, not run.
  void count_collectives(Time start, Time end);
  /// What a rank's GPUs hold before any micro-batch.
  const MemoryUse& resident_use(int rank) const { return resident_[std::size_t(rank)]; }

 private:
  static constexpr int kSides = 2;  // alone, beside the other stream
  struct ChunkEnd {
    Time reduction{}, gather{};
    double update_bytes = 0;
  };
  /// A collective of a step and its equals: `copies` groups, each `shift` GPUs on.
  struct Call {
    Collective what;
    std::vector<GpuId> members;
    double bytes = 0, times = 0;
    int copies = 1, shift = 0;
  };
  void list_calls(int rank, int stage);
  void price_blocks(KernelCosts& kernels);
  void price_block(KernelCosts& kernels, const PlanBlock& block, Time tensor_pair, Time ring);
  Bytes kept_bytes(const PlanBlock& block, std::int64_t rows) const;
  void open_exchanges();
  void price_end(const Network& network);
  void find_resident();
  PieceCost& fixed(int stage, int block, Piece piece, bool beside);
  PieceCost expert_piece(const PieceRef& piece);
  Time expert_time(Piece piece, bool beside, int used, int tiles);
  Time collective(Collective what, const std::vector<GpuId>& members, double bytes) const;
  double speed(const GpuSeat& seat) const { return plan_.speeds[index(gpu(seat))]; }

  const TrainingPlan& plan_;
  KernelCosts& kernels_;
  Network& network_;
  TrainingLoads* loads_;
  std::vector<std::size_t> first_block_;                           // (stages): number of the stage's block 0 among all
  std::vector<PieceCost> fixed_;                                   // (blocks, pieces, beside)
  std::vector<Bytes> kept_;                                        // (blocks), routed rows not counted
  Bytes kept_row_{};                                               // of one routed row
  std::map<std::pair<int, int>, std::vector<Time>> expert_times_;  // (piece and beside, used): by tiles of 128 rows
  std::vector<std::unique_ptr<ExchangeGroup>> groups_;             // (replicas, ranks)
  std::vector<ExchangeSpec> specs_;                                // (pieces, beside), exchanges only
  std::vector<Time> send_times_;                                   // (ranks, ranks)
  Bytes message_{};
  std::vector<ChunkEnd> ends_;  // (ranks, chunks)
  Time norm_{};
  std::vector<MemoryUse> resident_;  // (ranks)
  std::vector<Call> calls_;
  std::vector<int> tensor_pairs_, context_rings_;  // (stages), of one micro-batch: gathers and scatters, gathers
  double activations_ = 0, keys_ = 0;              // bytes of these
};
}  // namespace moesim
