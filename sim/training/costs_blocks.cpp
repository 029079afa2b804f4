// What the kernels of a block cost on one GPU, and what a micro-batch keeps of it.
#include <algorithm>

#include "training/costs.h"

namespace moesim {
namespace {
/// The layer parts and pass of each compute piece; experts have their own way.
struct PieceParts {
  Piece piece;
  Pass pass;
  std::vector<LayerPart> parts;
};
const std::vector<PieceParts>& layer_pieces() {
  static const std::vector<PieceParts> table = {
      {Piece::attention, Pass::forward, {LayerPart::attention, LayerPart::gate}},
      {Piece::shared, Pass::forward, {LayerPart::shared}},
      {Piece::merge, Pass::forward, {LayerPart::merge}},
      {Piece::shared_back, Pass::backward_input, {LayerPart::shared}},
      {Piece::experts_back, Pass::backward_input, {LayerPart::merge}},  // the experts' own part is added per GPU
      {Piece::attention_back, Pass::backward_input, {LayerPart::gate, LayerPart::attention}},
      {Piece::shared_weight, Pass::weight_gradient, {LayerPart::shared}},
      {Piece::attention_weight, Pass::weight_gradient, {LayerPart::gate, LayerPart::attention}}};
  return table;
}

/// The parts of `piece` that `block` has.
std::vector<LayerPart> parts_in(const Model& model, const PlanBlock& block, const PieceParts& piece) {
  const bool attention = piece.parts.back() == LayerPart::attention || piece.parts.front() == LayerPart::attention;
  switch (block.kind) {
    case PlanBlock::Kind::embedding:
      return attention ? std::vector{LayerPart::embedding} : std::vector<LayerPart>{};
    case PlanBlock::Kind::mtp:
      return attention ? std::vector{LayerPart::mtp} : std::vector<LayerPart>{};
    case PlanBlock::Kind::head:
      return attention ? std::vector{LayerPart::head} : std::vector<LayerPart>{};
    case PlanBlock::Kind::layer:
      break;
  }
  const std::vector<LayerPart> has = parts_of(model, block.layer);
  std::vector<LayerPart> out;
  for (LayerPart part : piece.parts)
    if (std::ranges::find(has, part) != has.end()) out.push_back(part);
  return out;
}

std::vector<Operation> operations_of(const TrainingPlan& plan, const PlanBlock& block, const PieceParts& piece) {
  std::vector<Operation> out;
  for (LayerPart part : parts_in(plan.model, block, piece))
    append_operations(out, plan.model, block.layer, part, piece.pass, plan.batch, {}, plan.setup.options);
  return out;
}

Time core_time(std::span<const Operation> operations, KernelCosts& kernels, GpuShare share) {
  Time sum{};
  for (const Operation& o : operations)
    if (std::holds_alternative<AttentionPrefill>(o.kernel) || std::holds_alternative<AttentionBackward>(o.kernel))
      sum += kernels.time(o.kernel, share);
  return sum;
}

GpuShare share_of(const TrainingPlan& plan, bool beside) { return beside ? plan.setup.beside : GpuShare{}; }

/// Rows of `used` experts with `tiles` tiles of 128 rows in all, the last tile of each half full.
std::vector<std::int64_t> rows_of_tiles(int used, int tiles) {
  std::vector<std::int64_t> rows;
  for (int e = 0; e < used; ++e) rows.push_back(std::int64_t{tiles / used + (e < tiles % used)} * 128 - 64);
  return rows;
}

Time expert_seconds(const TrainingPlan& plan, KernelCosts& kernels, Pass pass, bool beside,
                    std::span<const std::int64_t> rows) {
  std::vector<Operation> operations;
  int layer = 0;
  while (!plan.model.is_moe_layer(layer)) ++layer;
  append_operations(operations, plan.model, layer, LayerPart::experts, pass, plan.batch, rows, plan.setup.options);
  return total_time(operations, kernels, share_of(plan, beside));
}

Pass pass_of(Piece piece) {
  if (piece == Piece::experts) return Pass::forward;
  return piece == Piece::experts_back ? Pass::backward_input : Pass::weight_gradient;
}
}  // namespace

double block_seconds(const TrainingPlan& plan, const PlanBlock& block, KernelCosts& kernels) {
  Time sum{};
  for (const PieceParts& piece : layer_pieces()) sum += total_time(operations_of(plan, block, piece), kernels);
  if (block.moe) {
    const MoeShape& moe = *plan.model.moe;
    const int experts = moe.experts / plan.section.parallel.expert;
    const std::int64_t mean = std::max<std::int64_t>(1, std::int64_t{plan.tokens_per_member()} * moe.top_k / experts);
    const std::vector<std::int64_t> rows(std::size_t(experts), mean);
    for (Piece piece : {Piece::experts, Piece::experts_back, Piece::experts_weight})
      sum += expert_seconds(plan, kernels, pass_of(piece), false, rows);
  }
  return seconds(sum);
}

/// What one micro-batch keeps of a layer for its backward pass, with so many routed rows.
Bytes TrainingCosts::kept_bytes(const PlanBlock& block, std::int64_t rows) const {
  return sum_of(layer_activations(plan_.model, block.layer, plan_.batch, rows, plan_.setup.options));
}

void TrainingCosts::price_blocks(KernelCosts& kernels) {
  const ParallelSection& p = plan_.section.parallel;
  const Model& model = plan_.model;
  std::vector<GpuId> tensor_group, context_group;
  for (int i = 0; i < p.tensor; ++i) tensor_group.push_back(GpuId(std::uint32_t(i)));
  for (int i = 0; i < p.context; ++i) context_group.push_back(GpuId(std::uint32_t(i * p.tensor)));
  // Sequence parallelism: gather a layer part's input, scatter its output, and the same going backward.
  activations_ = double(plan_.batch.tokens) * model.hidden * 2;
  const Time tensor_pair = collective(Collective::all_gather, tensor_group, activations_) +
                           collective(Collective::reduce_scatter, tensor_group, activations_);
  // Context parallelism: keys and values of the whole sequence come to every GPU beside the attention core.
  const AttentionShape& a = model.attention;
  keys_ = double(plan_.batch.tokens) * p.context * std::max(1, a.kv_heads / p.tensor) * (a.head_dim + a.v_head_dim) * 2;
  const Time ring = collective(Collective::all_gather, context_group, keys_);

  for (const auto& stage : plan_.stages) {
    first_block_.push_back(fixed_.size() / kPieces / kSides);
    tensor_pairs_.push_back(0);
    context_rings_.push_back(0);
    for (const PlanBlock& block : stage) {
      fixed_.resize(fixed_.size() + std::size_t(kPieces) * kSides);
      price_block(kernels, block, tensor_pair, ring);
      if (block.kind != PlanBlock::Kind::layer) {
        kept_.push_back({plan_.batch.tokens / p.tensor * model.hidden * 2});
        continue;
      }
      kept_.push_back(kept_bytes(block, 0));
      if (block.moe) kept_row_ = (kept_bytes(block, 1 << 20) - kept_bytes(block, 0)) / (1 << 20);
    }
  }
}

/// Into the last block of fixed_.  tensor_pair: an all-gather and a reduce-scatter; ring: a gathering of the keys.
void TrainingCosts::price_block(KernelCosts& kernels, const PlanBlock& block, Time tensor_pair, Time ring) {
  PieceCost* costs = &fixed_[fixed_.size() - std::size_t(kPieces) * kSides];
  for (const PieceParts& piece : layer_pieces()) {
    const std::vector<Operation> operations = operations_of(plan_, block, piece);
    for (int side = 0; side < kSides; ++side) {
      const GpuShare share = share_of(plan_, side == 1);
      PieceCost& cost = costs[std::size_t(piece.piece) * kSides + std::size_t(side)];
      cost.busy = total_time(operations, kernels, share);
      if (piece.pass == Pass::weight_gradient || operations.empty()) continue;
      const bool attention = piece.piece == Piece::attention || piece.piece == Piece::attention_back;
      if (attention || piece.piece == Piece::shared || piece.piece == Piece::shared_back) {
        cost.exposed += tensor_pair;
        tensor_pairs_.back() += side == 0;
      }
      if (!attention || block.kind != PlanBlock::Kind::layer) continue;
      if (side == 0) context_rings_.back() += piece.piece == Piece::attention ? 1 : 2;
      const Time moved = piece.piece == Piece::attention ? ring : 2 * ring;  // back: gathered again, and reduced
      cost.exposed += std::max(Time{0}, moved - core_time(operations, kernels, share));
    }
  }
}

Time TrainingCosts::expert_time(Piece piece, bool beside, int used, int tiles) {
  std::vector<Time>& times = expert_times_[{int(piece) * kSides + beside, used}];
  if (times.size() <= std::size_t(tiles)) times.resize(std::size_t(tiles) + 1, Time{-1});
  Time& time = times[std::size_t(tiles)];
  if (time.v < 0) time = expert_seconds(plan_, kernels_, pass_of(piece), beside, rows_of_tiles(used, tiles));
  return time;
}
}  // namespace moesim
