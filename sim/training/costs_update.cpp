// The optimiser of a step: gradient norm, clipping, AdamW, the kernels' copy of the weights, gradients set to zero.
#include <algorithm>
#include <cmath>

#include "training/costs.h"
#include "training/pieces.h"

namespace moesim::training {
namespace {

// Tensors that one launch of a kernel over many tensors takes: lists of one (norm), two (clipping) and four tensors
// each (AdamW: gradient, master weight, two moments).  Source: NVIDIA Apex, csrc/multi_tensor_apply.cuh,
// depth_to_max_tensors.
constexpr int kNormTensors = 110, kClipTensors = 64, kAdamTensors = 36;
int launches(double tensors, int of_a_launch) { return int(std::ceil(tensors / of_a_launch)); }

/// Trained tensors of a block on one GPU: what its forward operations read as weights, or as adapters; each expert's
/// apart.
BlockParameters tensors_of(const TrainingPlan& plan, const PlanBlock& block) {
  const compute::Adapters& adapters = plan.setup.options.adapters;
  const bool lora = adapters.rank > 0;
  BlockParameters out;
  if (block.kind == PlanBlock::Kind::embedding) out.dense = lora ? 0 : 1;
  for (const PieceParts& piece : layer_pieces())
    if (schedule::is_forward(piece.piece))
      for (const compute::Operation& o : operations_of(plan, block, piece))
        out.dense += o.weights.v > 0 && (!lora || o.adapter);
  constexpr double kExpertTensors = 2;  // gate and up as one matrix, down; an adapter is two
  if (block.moe && (!lora || adapters.experts))
    out.experts = (lora ? 2 : 1) * kExpertTensors * plan.model.moe->experts / plan.section.parallel.expert;
  return out;
}
}  // namespace

void TrainingCosts::add_update(int rank, int stage, const BlockParameters& parameters) {
  const StateSection& state = plan_.section.state;
  const int zero = plan_.section.parallel.zero;
  const double dense_parts = zero >= 1 ? plan_.dense_copies() : 1, expert_parts = zero >= 1 ? plan_.expert_copies() : 1;
  const double own = parameters.dense / dense_parts + parameters.experts / expert_parts;
  const double all = parameters.dense + parameters.experts;
  const double gradient = spec::element_bytes(state.gradients), master = spec::element_bytes(state.master);
  Update& update = updates_[std::size_t(rank)];
  update.norm_bytes += gradient * own;
  // Clipping reads and writes the gradient; AdamW reads it, reads and writes master weight and moments; the kernels'
  // copy is made of the master weight; the gradients of the next step start at zero.
  update.bytes += own * (2 * gradient + gradient + 2 * (master + 2 * spec::element_bytes(state.moments)) + master +
                         spec::element_bytes(state.weights)) +
                  gradient * (zero >= 2 ? own : all);
  // Shards are cut from all tensors in a row: each has its part of them, and one begun by another.
  BlockParameters tensors;
  for (const PlanBlock& block : plan_.stages[std::size_t(stage)]) {
    const BlockParameters here = tensors_of(plan_, block);
    tensors.dense += here.dense;
    tensors.experts += here.experts;
  }
  for (const auto& [count, parts] : {std::pair{tensors.dense, dense_parts}, std::pair{tensors.experts, expert_parts}})
    if (count > 0) update.tensors += std::ceil(count / parts) + (parts > 1);
}

/// The norm is of all gradients: every GPU that has a shard adds its sum, once for the dense part and once for the
/// experts.
void TrainingCosts::price_norm() {
  const ParallelSection& p = plan_.section.parallel;
  // Without ZeRO each replica has all gradients.
  const int dense = p.zero >= 1 ? plan_.gpus_per_stage : p.tensor * p.context;
  const int experts = p.zero >= 1 ? plan_.gpus_per_stage : p.expert * p.expert_tensor;
  const auto add = [&](int of_stage) {
    std::vector<GpuId> group;
    for (int rank = 0; rank < plan_.schedule.ranks; ++rank)
      for (GpuId g : group_of(rank * plan_.gpus_per_stage, 1, of_stage)) group.push_back(g);
    const double bytes = 4;  // FP32
    norm_ += collective(network::Collective::all_reduce, group, bytes);
    calls_.push_back({network::Collective::all_reduce, group, bytes, 1, plan_.gpus_per_stage / of_stage, of_stage});
  };
  add(dense);
  if (plan_.model.moe) add(experts);
}

Time TrainingCosts::kernels_over(double bytes, int small, const schedule::GpuSeat& seat) const {
  Time time{};
  if (bytes >= 1) time += kernels_.time(compute::MemoryOp{compute::MemoryKind::optimizer, {std::int64_t(bytes)}});
  if (small > 0) time += kernels_.time(compute::SmallChain{small, false});
  return from_seconds(seconds(time) / speed(seat));
}

Time TrainingCosts::norm_of_own(const schedule::GpuSeat& seat) const {
  const Update& u = updates_[std::size_t(seat.rank)];
  return kernels_over(u.norm_bytes, launches(u.tensors, kNormTensors), seat);
}

Time TrainingCosts::optimizer(const schedule::GpuSeat& seat) const {
  const Update& u = updates_[std::size_t(seat.rank)];
  // One more launch for each tensor: its copy for the kernels.
  const int small = launches(u.tensors, kClipTensors) + launches(u.tensors, kAdamTensors) + int(u.tensors);
  return kernels_over(u.bytes, small, seat);
}
}  // namespace moesim::training
