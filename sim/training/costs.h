// What the pieces of a training step cost: kernels from the layers' inventories, exchanges from the routing,
// collectives from the network.
#pragma once
#include <array>
#include <map>
#include <memory>
#include <vector>

#include "compute/kernels/kernel_model.h"
#include "network/collectives/collective.h"
#include "network/network.h"
#include "schedule/executor/executor.h"
#include "training/loads.h"
#include "training/pieces.h"
#include "training/plan.h"

namespace moesim::training {

/// Parameters of one block on one GPU.
struct BlockParameters {
  double dense = 0;    // shared by all data-parallel replicas
  double experts = 0;  // shared by the replicas of the experts
};
BlockParameters block_parameters(const TrainingPlan& plan, const PlanBlock& block);
/// Of them, or beside them, those that are trained: all, or the adapters.
BlockParameters trained_parameters(const TrainingPlan& plan, const PlanBlock& block);
/// Those that come from the other replicas: what was trained, and with ZeRO 3 whatever a pass reads.
BlockParameters gathered_parameters(const TrainingPlan& plan, const PlanBlock& block);
/// Of all adapters of the model.
double adapter_parameters(const TrainingPlan& plan);

/// Time of one block without its routed experts, and of the experts with the mean number of rows: forward and both
/// backwards.  For cutting the model into stages.
double block_seconds(const TrainingPlan& plan, const PlanBlock& block, compute::KernelCosts& kernels);

/// Model FLOPs of one routed row on one GPU: the part of the expert's width that is there.
double flops_of_row(const TrainingPlan& plan, schedule::Piece piece);

/// `count` GPUs, each `stride` on.
std::vector<GpuId> group_of(int first, int stride, int count);

/// What the simulated GPUs did so far: model FLOPs, without what recomputation does again, and rows of routed tokens.
struct StepWork {
  double flops = 0;
  std::int64_t rows = 0;
};

/// What a GPU needs of an expert that it did not hold: the kernels' weights, and its part of the optimiser's state.
Bytes moved_expert_bytes(const TrainingPlan& plan);

class TrainingCosts final : public schedule::StepCosts {
 public:
  /// loads: null for a dense model.  Throws ConfigError if what the GPUs hold before any micro-batch does not fit.
  TrainingCosts(const TrainingPlan& plan, compute::KernelCosts& kernels, network::Network& network,
                TrainingLoads* loads);
  ~TrainingCosts() override;

  int blocks(int stage) const override { return int(plan_.stages[std::size_t(stage)].size()); }
  schedule::BlockTraits traits(int stage, int block) const override;
  int layer(int stage, int block) const override;
  schedule::PieceCost compute(const schedule::PieceRef& piece) override;
  Time squeezed(const schedule::PieceRef& piece) override;
  /// Rows that are not padded to a capacity: experts' kernels need their number, each time they are dispatched.
  bool host_reads(const schedule::PieceRef& exchange) const override {
    return !plan_.padded() && (exchange.piece == schedule::Piece::dispatch ||
                               (exchange.piece == schedule::Piece::combine_back && exchanges_again()));
  }
  std::unique_ptr<network::Rendezvous> exchange(const schedule::PieceRef& piece,
                                                std::function<void(int)> arrived) override;
  void send(const schedule::GpuSeat& from, int to_rank, bool forward, Action delivered) override;
  Bytes kept(const schedule::PieceRef& piece) override;
  Bytes resident(int rank) const override { return resident_[std::size_t(rank)].total(); }
  Bytes memory() const override { return plan_.cluster.node.gpu.usable(); }
  std::string would_fit() const override;
  void finished(int replica, int stage, int micro_batch) override;
  Time reduction(int rank, int chunk, int block) const override { return end(rank, chunk, block).reduction; }
  bool reduction_overlapped() const override { return plan_.section.gradient_reduction == Hiding::overlapped; }
  bool reduces_always() const override { return plan_.section.parallel.zero >= 2; }
  Time gather(int rank, int chunk, int block) const override { return end(rank, chunk, block).gather; }
  bool gather_overlapped() const override { return plan_.section.parameter_gathering == Hiding::overlapped; }
  bool gathers_always() const override { return plan_.section.parallel.zero == 3; }
  Time norm_of_own(const schedule::GpuSeat& seat) const override;
  Time norm() const override { return norm_; }
  Time optimizer(const schedule::GpuSeat& seat) const override;

  GpuId gpu(const schedule::GpuSeat& seat) const;
  /// Counts a step's collectives on the links, all GPUs of the plan: they are priced, not run.
  void count_collectives(Time start, Time end);
  const StepWork& work() const { return work_; }
  /// What a rank's GPUs hold before any micro-batch.
  const compute::MemoryUse& resident_use(int rank) const { return resident_[std::size_t(rank)]; }

 private:
  static constexpr int kSides = 2;   // alone, beside the other stream
  static constexpr int kShares = 4;  // both, and both beside a collective of data parallelism
  static int share_number(bool beside, bool data) { return int(beside) + kSides * int(data); }
  /// What data parallelism moves for a block.
  struct BlockEnd {
    Time reduction{}, gather{};
  };
  const BlockEnd& end(int rank, int chunk, int block) const {
    return ends_[std::size_t(rank * plan_.schedule.chunks + chunk)][std::size_t(block)];
  }
  /// A collective of a step and its equals: `copies` groups, each `shift` GPUs on.
  struct Call {
    network::Collective what;
    std::vector<GpuId> members;
    double bytes = 0, times = 0;
    int copies = 1, shift = 0;
  };
  void list_calls(int rank, int stage);
  void price_blocks(compute::KernelCosts& kernels);
  /// Collectives of tensor and context parallelism that one micro-batch has in a stage.
  struct StageCalls {
    int gathers = 0, cast_gathers = 0, scatters = 0, rings = 0;
  };
  void price_piece(compute::KernelCosts& kernels, const PlanBlock& block, const PieceParts& piece, StageCalls& calls);
  Time exposed_beside(Time moved, Time product) const;
  void lay_beside(schedule::PieceCost& cost, Time moved, const compute::Operation* product,
                  compute::KernelCosts& kernels, compute::GpuShare share) const;
  bool gathers_cast(const PlanBlock& block, schedule::Piece of) const;
  bool scatters_late(const PlanBlock& block, schedule::Piece of) const;
  Bytes kept_bytes(const PlanBlock& block, std::int64_t rows) const;
  /// Whether the backward pass dispatches and combines once more before it has gradients.
  bool exchanges_again() const { return plan_.setup.options.recompute.layer || plan_.setup.options.recompute.experts; }
  void open_exchanges();
  /// What the optimiser moves on one GPU of a rank.
  struct Update {
    double norm_bytes = 0, bytes = 0, tensors = 0;
  };
  void price_end();
  void price_chunk_end(int rank, int stage);
  void add_update(int rank, int stage, const BlockParameters& parameters);
  void price_norm();
  Time kernels_over(double bytes, int small, const schedule::GpuSeat& seat) const;
  std::vector<GpuId> holders_of(int rank, int stride, int count) const;
  void find_resident();
  schedule::PieceCost& fixed(const schedule::PieceRef& piece, bool data);
  bool has_experts(const schedule::PieceRef& piece) const;
  bool is_layer(const schedule::PieceRef& piece) const {
    return plan_.stages[std::size_t(piece.stage)][std::size_t(piece.block)].kind == PlanBlock::Kind::layer;
  }
  /// What attention or experts of a forward pass keep until the backward's end, wherever.
  Bytes activations(const schedule::PieceRef& piece) const;
  Time copies_beside(const schedule::PieceRef& piece);
  struct ExpertRows {
    int used = 0, tiles = 0;
    std::int64_t rows = 0;
  };
  ExpertRows rows_of(const schedule::PieceRef& piece) const;
  schedule::PieceCost expert_piece(const schedule::PieceRef& piece);
  Time join_lanes(const schedule::PieceRef& piece, std::int64_t rows);
  std::size_t number_of(int stage, int block, schedule::Piece piece) const;
  /// Of experts with any rows: the host's, and by tiles of 128 rows the kernels'.
  struct ExpertTimes {
    Time host{-1};
    std::vector<Time> kernels;
  };
  schedule::PieceCost expert_cost(const schedule::PieceRef& piece, bool data, int used, int tiles);
  Time collective(network::Collective what, const std::vector<GpuId>& members, double bytes) const;
  double speed(const schedule::GpuSeat& seat) const { return plan_.speeds[index(gpu(seat))]; }

  const TrainingPlan& plan_;
  compute::KernelCosts& kernels_;
  network::Network& network_;
  TrainingLoads* loads_;
  std::vector<std::size_t> first_block_;               // (stages): number of the stage's block 0 among all
  std::vector<schedule::PieceCost> fixed_;             // (blocks, pieces, shares)
  std::vector<double> flops_;                          // (blocks, pieces) of the model's, experts left out
  std::array<double, schedule::kPieces> row_flops_{};  // of one routed row
  StepWork work_;
  std::vector<Bytes> kept_;                                      // (blocks), routed rows not counted
  Bytes kept_row_{};                                             // of one routed row
  std::map<std::pair<int, int>, ExpertTimes> expert_times_;      // (piece and share, used)
  std::vector<std::unique_ptr<network::ExchangeGroup>> groups_;  // (replicas, ranks)
  std::vector<network::ExchangeSpec> specs_;                     // (pieces, beside), exchanges only
  std::vector<Time> send_times_;                                 // (ranks, ranks)
  Bytes message_{};
  std::vector<std::vector<BlockEnd>> ends_;  // (ranks, chunks) (blocks)
  std::vector<Update> updates_;              // (ranks)
  Time norm_{};
  std::vector<compute::MemoryUse> resident_;  // (ranks)
  std::vector<Call> calls_;
  std::vector<StageCalls> stage_calls_;                       // (stages)
  bool splits_weights_ = false;                               // weights' gradients have passes of their own
  double activations_ = 0, cast_activations_ = 0, keys_ = 0;  // bytes of a gather or scatter, cast ones', of a ring
  Time gather_time_{}, cast_gather_time_{}, scatter_time_{}, ring_time_{}, amax_time_{};
  std::array<Time, kShares> core_times_{};  // of attention's core forward, in the block being priced
};
}  // namespace moesim::training
