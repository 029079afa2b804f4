// Parameters, memory that stays, and the end of a step: reduction, optimiser, gathering.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "spec/count.h"
#include "training/costs.h"
#include "training/rank_holds.h"

namespace moesim::training {
namespace {
double bytes_of(spec::Dtype dtype) { return spec::element_bits(dtype) / 8.0; }

/// Of all blocks of a stage; the head counts once where the MTP module shares it.
BlockParameters stage_parameters(const TrainingPlan& plan, int stage) {
  BlockParameters sum;
  int heads = 0;
  for (const PlanBlock& block : plan.stages[std::size_t(stage)]) {
    if (block.kind == PlanBlock::Kind::head && heads++ > 0) continue;
    const BlockParameters here = block_parameters(plan, block);
    sum.dense += here.dense;
    sum.experts += here.experts;
  }
  return sum;
}
}  // namespace

BlockParameters block_parameters(const TrainingPlan& plan, const PlanBlock& block) {
  const spec::Model& m = plan.model;
  const ParallelSection& p = plan.section.parallel;
  const double words = double(m.vocabulary) * m.hidden;
  BlockParameters out;
  switch (block.kind) {
    case PlanBlock::Kind::embedding:
      out.dense = words / p.tensor;
      return out;
    case PlanBlock::Kind::head:
      out.dense = (words + m.hidden) / p.tensor;
      return out;
    case PlanBlock::Kind::mtp:  // its embedding and head are the model's, on the same rank if the schedule folds
      out.dense = 2.0 * m.hidden * m.hidden + 2.0 * m.hidden;
      if (plan.schedule.layout == schedule::Layout::straight) out.dense += words / p.tensor;
      return out;
    case PlanBlock::Kind::layer:
      break;
  }
  out.dense = double(spec::attention_parameters(m)) / p.tensor + double(m.norms_per_layer) * m.hidden;
  if (!block.moe) {
    out.dense += 3.0 * m.hidden * m.dense_width / p.tensor;
    return out;
  }
  const spec::MoeShape& moe = *m.moe;
  out.dense += double(spec::gate_parameters(m)) + 3.0 * m.hidden * moe.shared_experts * moe.expert_width / p.tensor;
  out.experts = double(spec::expert_parameters(m)) * moe.experts / p.expert / p.expert_tensor;
  return out;
}

Bytes moved_expert_bytes(const TrainingPlan& plan) {
  const ParallelSection& p = plan.section.parallel;
  const StateSection& state = plan.section.state;
  const double optimizer = bytes_of(state.master) + 2 * bytes_of(state.moments);
  const double each = bytes_of(state.weights) + optimizer / (p.zero >= 1 ? plan.expert_data : 1);
  return {std::int64_t(double(spec::expert_parameters(plan.model)) / p.expert_tensor * each)};
}

void TrainingCosts::price_end(const network::Network& network) {
  const schedule::Schedule& s = plan_.schedule;
  for (int rank = 0; rank < s.ranks; ++rank)
    for (int chunk = 0; chunk < s.chunks; ++chunk) {
      const int stage = s.stage_of(rank, chunk);
      price_chunk_end(rank, stage);
      list_calls(rank, stage);
      if (plan_.section.parallel.zero >= 2) hide_in_blocks(stage, ends_.back());
    }
  const std::vector<GpuId> ranks = group_of(0, plan_.gpus_per_stage, s.ranks);
  norm_ = network::collective_time(network.topology(), network.calibration(), network::Collective::all_reduce,
                                   network::CollectiveAlgorithm::best, ranks, {8});
  calls_.push_back({network::Collective::all_reduce, ranks, 8, 1, plan_.gpus_per_stage, 1});
}

/// Appends what reduction, gathering and update of a rank's stage take, all of it after the last micro-batch.
void TrainingCosts::price_chunk_end(int rank, int stage) {
  const ParallelSection& p = plan_.section.parallel;
  const StateSection& state = plan_.section.state;
  const bool sharded = p.zero >= 1;
  const int first = rank * plan_.gpus_per_stage, part = p.expert * p.expert_tensor;
  const int dense_copies = plan_.gpus_per_stage / p.tensor, expert_copies = plan_.expert_data;
  const std::vector<GpuId> dense = group_of(first, p.tensor, dense_copies);
  const std::vector<GpuId> experts = group_of(first, part, expert_copies);
  const BlockParameters sum = stage_parameters(plan_, stage);
  ChunkEnd& end = ends_.emplace_back();
  const network::Collective reduce = sharded ? network::Collective::reduce_scatter : network::Collective::all_reduce;
  const double gradient = bytes_of(state.gradients), weight = bytes_of(state.weights);
  end.reduction = collective(reduce, dense, sum.dense * gradient) + collective(reduce, experts, sum.experts * gradient);
  if (sharded)
    end.gather = collective(network::Collective::all_gather, dense, sum.dense * weight) +
                 collective(network::Collective::all_gather, experts, sum.experts * weight);
  // From ZeRO 2 on gradients leave after every micro-batch; with 3 parameters come back before every pass.
  const int micro = plan_.micro_batches;
  const double reductions = p.zero >= 2 ? micro : 1, gathers = !sharded ? 0 : p.zero == 3 ? 2 * micro : 1;
  for (const auto& [group, parameters, copies] :
       {std::tuple{dense, sum.dense, p.tensor}, std::tuple{experts, sum.experts, part}}) {
    calls_.push_back({reduce, group, parameters * gradient, reductions, copies, 1});
    calls_.push_back({network::Collective::all_gather, group, parameters * weight, gathers, copies, 1});
  }
  // Each parameter: gradient read, master and moments read and written, the kernels' copy written.
  const double bytes = gradient + 2 * (bytes_of(state.master) + 2 * bytes_of(state.moments)) + weight;
  end.update_bytes = bytes * (sum.dense / (sharded ? dense_copies : 1) + sum.experts / (sharded ? expert_copies : 1));
}

/// Gradients leave after every micro-batch, parameters come back before every pass: what no longer waits for the end is
/// taken from it and lies beside the blocks' compute, or is exposed there.
void TrainingCosts::hide_in_blocks(int stage, ChunkEnd& end) {
  const auto exposed = [](Time moved, Time beside, Hiding hiding) {
    return hiding == Hiding::overlapped ? std::max(Time{0}, moved - beside) : moved;
  };
  const bool gathers = plan_.section.parallel.zero == 3;
  const Hiding reducing = plan_.section.gradient_reduction, gathering = plan_.section.parameter_gathering;
  const double of_blocks = double(blocks(stage));
  const Time reduced{std::int64_t(double(end.reduction.v) / of_blocks)};
  const Time gathered{std::int64_t(double(end.gather.v) / of_blocks)};
  for (int b = 0; b < blocks(stage); ++b)
    for (const bool beside : {false, true}) {
      const auto piece = [&](schedule::Piece which) -> schedule::PieceCost& { return fixed(stage, b, which, beside); };
      const auto busy = [&](std::initializer_list<schedule::Piece> pieces) {
        Time total{};
        for (const schedule::Piece which : pieces) total += piece(which).busy;
        return total;
      };
      using enum schedule::Piece;
      const Time forward = busy({attention, shared, merge});
      const Time backward = busy({attention_back, shared_back, experts_back, shared_weight, attention_weight});
      piece(attention_weight).exposed += exposed(reduced, backward, reducing);
      if (!gathers) continue;
      piece(attention).exposed += exposed(gathered, forward, gathering);
      piece(attention_back).exposed += exposed(gathered, backward, gathering);
    }
  end.reduction = {};
  if (gathers) end.gather = {};
}

/// Tensor and context parallelism of a stage's GPUs, all micro-batches.
void TrainingCosts::list_calls(int rank, int stage) {
  const ParallelSection& p = plan_.section.parallel;
  const int first = rank * plan_.gpus_per_stage, micro = plan_.micro_batches, wide = p.tensor * p.context;
  for (const network::Collective what : {network::Collective::all_gather, network::Collective::reduce_scatter})
    calls_.push_back({what, group_of(first, 1, p.tensor), activations_,
                      double(tensor_pairs_[std::size_t(stage)]) * micro, plan_.gpus_per_stage / p.tensor, p.tensor});
  for (int i = 0; i < p.tensor; ++i)
    calls_.push_back({network::Collective::all_gather, group_of(first + i, p.tensor, p.context), keys_,
                      double(context_rings_[std::size_t(stage)]) * micro, plan_.gpus_per_stage / wide, wide});
}

void TrainingCosts::count_collectives(Time start, Time end) {
  for (const Call& c : calls_) {
    if (c.members.size() < 2 || c.bytes < 1 || c.times <= 0) continue;
    const std::vector<network::Transfer> first =
        network::collective_transfers(network_.topology(), network_.calibration(), c.what,
                                      network::CollectiveAlgorithm::best, c.members, {std::int64_t(c.bytes)});
    for (int copy = 0; copy < c.copies; ++copy)
      for (const network::Transfer& t : first) {
        network::Transfer moved = t.times(c.times);
        moved.from = GpuId(index(t.from) + std::size_t(copy * c.shift));
        moved.to = GpuId(index(t.to) + std::size_t(copy * c.shift));
        network_.count({&moved, 1}, start, end);
      }
  }
}

Time TrainingCosts::reduction(int rank, int chunk) const {
  return ends_[std::size_t(rank * plan_.schedule.chunks + chunk)].reduction;
}
Time TrainingCosts::gather(int rank, int chunk) const {
  return ends_[std::size_t(rank * plan_.schedule.chunks + chunk)].gather;
}

Time TrainingCosts::optimizer(const schedule::GpuSeat& seat) const {
  double bytes = 0;
  for (int chunk = 0; chunk < plan_.schedule.chunks; ++chunk)
    bytes += ends_[std::size_t(seat.rank * plan_.schedule.chunks + chunk)].update_bytes;
  if (bytes < 1) return {};
  const Time time = kernels_.time(compute::MemoryOp{compute::MemoryKind::optimizer, {std::int64_t(bytes)}});
  return from_seconds(seconds(time) / speed(seat));
}

void TrainingCosts::find_resident() {
  for (int rank = 0; rank < plan_.schedule.ranks; ++rank) {
    const RankHolds holds = rank_holds(plan_, rank, loads_ != nullptr ? loads_->slots_per_gpu() : 0);
    resident_.push_back(compute::training_memory(plan_.model, holds.layers, holds.state, plan_.batch, holds.rows, {},
                                                 plan_.setup.options, holds.buffers));
    const Bytes total = resident_.back().total();
    if (total > memory())
      throw ConfigError(
          fmt::format("GPU {} (stage {}) does not fit before any micro-batch: it holds {:.1f} GB, {:.1f} "
                      "GB more than its {:.1f} GB; more stages, more experts' GPUs or a higher ZeRO "
                      "stage would help",
                      gpu({0, rank, 0}), rank, double(total.v) * 1e-9, double((total - memory()).v) * 1e-9,
                      double(memory().v) * 1e-9));
  }
}
}  // namespace moesim::training
