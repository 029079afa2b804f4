// Parameters, memory that stays, and what data parallelism moves: gradients and parameters, block by block.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "spec/count.h"
#include "spec/layer_shape.h"
#include "training/costs.h"
#include "training/memory_advice.h"
#include "training/rank_holds.h"

namespace moesim::training {
namespace {

/// What a block's gradients are of, and what comes from other replicas.
struct MovedParameters {
  BlockParameters trained, gathered;
};
/// Of each block of a stage; the head counts once where the MTP module shares it.
std::vector<MovedParameters> stage_parameters(const TrainingPlan& plan, int stage) {
  std::vector<MovedParameters> out;
  int heads = 0;
  for (const PlanBlock& block : plan.stages[std::size_t(stage)])
    out.push_back(block.kind == PlanBlock::Kind::head && heads++ > 0
                      ? MovedParameters{}
                      : MovedParameters{trained_parameters(plan, block), gathered_parameters(plan, block)});
  return out;
}

void add(BlockParameters& sum, const BlockParameters& block) {
  sum.dense += block.dense;
  sum.experts += block.experts;
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
  const spec::AttentionKind kind = spec::layer_shape(m, block.layer).attention.kind;
  if (kind != spec::AttentionKind::none) out.dense = double(spec::attention_parameters(m, kind)) / p.tensor;
  out.dense += double(m.norms_per_layer) * m.hidden;
  if (spec::layer_shape(m, block.layer).ffn.kind == spec::FfnKind::none) return out;
  if (!block.moe) {
    out.dense += 3.0 * m.hidden * m.dense_width / p.tensor;
    return out;
  }
  const spec::MoeShape& moe = *m.moe;
  const double matrices = m.expert_inputs() + 1;
  out.dense += double(spec::gate_parameters(m)) + matrices * m.hidden * moe.shared_total() / p.tensor +
               2.0 * m.hidden * moe.latent_width;
  out.experts = double(spec::expert_parameters(m)) * moe.experts / p.expert / p.expert_tensor;
  return out;
}

Bytes moved_expert_bytes(const TrainingPlan& plan) {
  const ParallelSection& p = plan.section.parallel;
  const StateSection& state = plan.section.state;
  const double optimizer = spec::element_bytes(state.master) + 2 * spec::element_bytes(state.moments);
  const double shared = optimizer / (p.zero >= 1 ? plan.expert_copies() : 1);
  const double expert = double(spec::expert_parameters(plan.model)) / p.expert_tensor;
  if (plan.setup.options.adapters.rank == 0)
    return {std::int64_t(expert * (spec::element_bytes(state.weights) + shared))};
  const PlanBlock block{PlanBlock::Kind::layer, plan.model.moe_layers().front(), true};
  const double trained = trained_parameters(plan, block).experts / (plan.model.moe->experts / p.expert);
  return {std::int64_t((expert + trained) * spec::element_bytes(state.weights) + trained * shared)};
}

void TrainingCosts::price_end() {
  const schedule::Schedule& s = plan_.schedule;
  updates_.resize(std::size_t(s.ranks));
  for (int rank = 0; rank < s.ranks; ++rank)
    for (int chunk = 0; chunk < s.chunks; ++chunk) {
      const int stage = s.stage_of(rank, chunk);
      price_chunk_end(rank, stage);
      list_calls(rank, stage);
    }
  price_norm();
}

/// `count` GPUs of a rank, and of the other rank that holds the same stage where the schedule runs both ways.
std::vector<GpuId> TrainingCosts::holders_of(int rank, int stride, int count) const {
  std::vector<GpuId> out = group_of(rank * plan_.gpus_per_stage, stride, count);
  if (plan_.schedule.copies() == 1) return out;
  for (GpuId g : group_of((plan_.schedule.ranks - 1 - rank) * plan_.gpus_per_stage, stride, count)) out.push_back(g);
  std::ranges::sort(out);
  return out;
}

/// Appends what reduction and gathering of each block of a rank's stage take, and adds up what its update moves.
void TrainingCosts::price_chunk_end(int rank, int stage) {
  const ParallelSection& p = plan_.section.parallel;
  const StateSection& state = plan_.section.state;
  const bool sharded = p.zero >= 1;
  const int part = p.expert * p.expert_tensor;
  const std::vector<GpuId> dense = holders_of(rank, p.tensor, plan_.gpus_per_stage / p.tensor);
  const std::vector<GpuId> experts = holders_of(rank, part, plan_.expert_data);
  const network::Collective reduce = sharded ? network::Collective::reduce_scatter : network::Collective::all_reduce;
  const double gradient = spec::element_bytes(state.gradients), weight = spec::element_bytes(state.weights);
  BlockParameters sum, gathered;
  std::vector<BlockEnd>& ends = ends_.emplace_back();
  for (const MovedParameters& block : stage_parameters(plan_, stage)) {
    add(sum, block.trained);
    add(gathered, block.gathered);
    const auto both = [&](network::Collective what, const BlockParameters& moved, double bytes) {
      return collective(what, dense, moved.dense * bytes) + collective(what, experts, moved.experts * bytes);
    };
    ends.push_back({both(reduce, block.trained, gradient),
                    sharded ? both(network::Collective::all_gather, block.gathered, weight) : Time{}});
  }
  add_update(rank, stage, sum);
  // The two ranks of a stage share its calls: the first lists them.
  if (index(dense.front()) < std::size_t(rank * plan_.gpus_per_stage)) return;
  // From ZeRO 2 on gradients leave after every micro-batch; with 3 parameters come back before every pass.
  const int micro = plan_.micro_batches_of_chunk();
  const double reductions = p.zero >= 2 ? micro : 1, gathers = !sharded ? 0 : p.zero == 3 ? 2 * micro : 1;
  for (const auto& [group, trained, read, copies] : {std::tuple{dense, sum.dense, gathered.dense, p.tensor},
                                                     std::tuple{experts, sum.experts, gathered.experts, part}}) {
    calls_.push_back({reduce, group, trained * gradient, reductions, copies, 1});
    calls_.push_back({network::Collective::all_gather, group, read * weight, gathers, copies, 1});
  }
}

/// Tensor and context parallelism of a stage's GPUs, all micro-batches.
void TrainingCosts::list_calls(int rank, int stage) {
  const ParallelSection& p = plan_.section.parallel;
  const int first = rank * plan_.gpus_per_stage, micro = plan_.micro_batches_of_chunk();
  const int wide = p.tensor * p.context;
  const StageCalls& calls = stage_calls_[std::size_t(stage)];
  for (const auto& [what, bytes, times] :
       {std::tuple{network::Collective::all_gather, activations_, calls.gathers},
        std::tuple{network::Collective::all_gather, cast_activations_, calls.cast_gathers},
        std::tuple{network::Collective::reduce_scatter, activations_, calls.scatters}})
    calls_.push_back(
        {what, group_of(first, 1, p.tensor), bytes, double(times) * micro, plan_.gpus_per_stage / p.tensor, p.tensor});
  for (int i = 0; i < p.tensor; ++i)
    calls_.push_back({network::Collective::all_gather, group_of(first + i, p.tensor, p.context), keys_,
                      double(calls.rings) * micro, plan_.gpus_per_stage / wide, wide});
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

std::string TrainingCosts::would_fit() const {
  return what_would_fit(plan_, loads_ != nullptr ? loads_->slots_per_gpu() : 0);
}

void TrainingCosts::find_resident() {
  for (int rank = 0; rank < plan_.schedule.ranks; ++rank) {
    const RankHolds holds = rank_holds(plan_, rank, loads_ != nullptr ? loads_->slots_per_gpu() : 0);
    resident_.push_back(compute::training_memory(plan_.model, holds.layers, holds.state, plan_.batch, holds.rows, {},
                                                 plan_.setup.options, holds.buffers));
    const spec::Node& node = plan_.cluster.node;
    if (holds.on_host * node.gpus > node.host_memory)
      throw ConfigError(fmt::format(
          "training.offload_activations: the {} GPUs of a node of stage {} would keep {:.1f} GB in its "
          "{:.1f} GB of host memory",
          node.gpus, rank, double((holds.on_host * node.gpus).v) * 1e-9, double(node.host_memory.v) * 1e-9));
    const Bytes total = resident_.back().total();
    if (total > memory())
      throw ConfigError(
          fmt::format("GPU {} (stage {}) does not fit before any micro-batch: it holds {:.1f} GB, {:.1f} "
                      "GB more than its {:.1f} GB; {}",
                      gpu({0, rank, 0}), rank, double(total.v) * 1e-9, double((total - memory()).v) * 1e-9,
                      double(memory().v) * 1e-9, would_fit()));
  }
}
}  // namespace moesim::training
