// What the kernels of a block cost on one GPU, and what a micro-batch keeps of it.
#include <algorithm>

#include "compute/layers/even_rows.h"
#include "training/costs.h"

namespace moesim::training {
namespace {
/// The layer parts and pass of each compute piece; experts have their own way.
struct PieceParts {
  schedule::Piece piece;
  compute::Pass pass;
  std::vector<compute::LayerPart> parts;
};
const std::vector<PieceParts>& layer_pieces() {
  static const std::vector<PieceParts> table = {
      {schedule::Piece::attention, compute::Pass::forward, {compute::LayerPart::attention, compute::LayerPart::gate}},
      {schedule::Piece::shared, compute::Pass::forward, {compute::LayerPart::shared}},
      {schedule::Piece::merge, compute::Pass::forward, {compute::LayerPart::merge}},
      {schedule::Piece::shared_back, compute::Pass::backward_input, {compute::LayerPart::shared}},
      {schedule::Piece::experts_back,
       compute::Pass::backward_input,
       {compute::LayerPart::merge}},  // the experts' own part is added per GPU
      {schedule::Piece::attention_back,
       compute::Pass::backward_input,
       {compute::LayerPart::gate, compute::LayerPart::attention}},
      {schedule::Piece::shared_weight, compute::Pass::weight_gradient, {compute::LayerPart::shared}},
      {schedule::Piece::attention_weight,
       compute::Pass::weight_gradient,
       {compute::LayerPart::gate, compute::LayerPart::attention}}};
  return table;
}

/// The parts of `piece` that `block` has.
std::vector<compute::LayerPart> parts_in(const spec::Model& model, const PlanBlock& block, const PieceParts& piece) {
  const bool attention =
      piece.parts.back() == compute::LayerPart::attention || piece.parts.front() == compute::LayerPart::attention;
  switch (block.kind) {
    case PlanBlock::Kind::embedding:
      return attention ? std::vector{compute::LayerPart::embedding} : std::vector<compute::LayerPart>{};
    case PlanBlock::Kind::mtp:
      return attention ? std::vector{compute::LayerPart::mtp} : std::vector<compute::LayerPart>{};
    case PlanBlock::Kind::head:
      return attention ? std::vector{compute::LayerPart::head} : std::vector<compute::LayerPart>{};
    case PlanBlock::Kind::layer:
      break;
  }
  const std::vector<compute::LayerPart> has = compute::parts_of(model, block.layer);
  std::vector<compute::LayerPart> out;
  for (compute::LayerPart part : piece.parts)
    if (std::ranges::find(has, part) != has.end()) out.push_back(part);
  return out;
}

std::vector<compute::Operation> operations_of(const TrainingPlan& plan, const PlanBlock& block,
                                              const PieceParts& piece) {
  std::vector<compute::Operation> out;
  for (compute::LayerPart part : parts_in(plan.model, block, piece))
    compute::append_operations(out, plan.model, block.layer, part, piece.pass, plan.batch, {}, plan.setup.options);
  return out;
}

Time core_time(std::span<const compute::Operation> operations, compute::KernelCosts& kernels, compute::GpuShare share) {
  Time sum{};
  for (const compute::Operation& o : operations)
    if (std::holds_alternative<compute::AttentionPrefill>(o.kernel) ||
        std::holds_alternative<compute::AttentionBackward>(o.kernel))
      sum += kernels.time(o.kernel, share);
  return sum;
}

compute::GpuShare share_of(const TrainingPlan& plan, bool beside) {
  return beside ? plan.setup.beside : compute::GpuShare{};
}

/// Rows of `used` experts with `tiles` tiles of 128 rows in all, the last tile of each half full.
std::vector<std::int64_t> rows_of_tiles(int used, int tiles) {
  std::vector<std::int64_t> rows;
  for (int e = 0; e < used; ++e) rows.push_back(std::int64_t{tiles / used + (e < tiles % used)} * 128 - 64);
  return rows;
}

std::vector<compute::Operation> expert_operations(const TrainingPlan& plan, compute::Pass pass,
                                                  std::span<const std::int64_t> rows) {
  std::vector<compute::Operation> operations;
  int layer = 0;
  while (!plan.model.is_moe_layer(layer)) ++layer;
  compute::append_operations(operations, plan.model, layer, compute::LayerPart::experts, pass, plan.batch, rows,
                             plan.setup.options);
  return operations;
}
Time expert_seconds(const TrainingPlan& plan, compute::KernelCosts& kernels, compute::Pass pass, bool beside,
                    std::span<const std::int64_t> rows) {
  return compute::total_time(expert_operations(plan, pass, rows), kernels, share_of(plan, beside));
}

compute::Pass pass_of(schedule::Piece piece) {
  if (piece == schedule::Piece::experts) return compute::Pass::forward;
  return piece == schedule::Piece::experts_back ? compute::Pass::backward_input : compute::Pass::weight_gradient;
}
}  // namespace

double flops_of_row(const TrainingPlan& plan, schedule::Piece piece) {
  const std::vector<std::int64_t> rows{128};
  double sum = 0;
  for (const compute::Operation& o : expert_operations(plan, pass_of(piece), rows)) sum += o.useful.v;
  return sum / double(rows[0]);
}

double block_seconds(const TrainingPlan& plan, const PlanBlock& block, compute::KernelCosts& kernels) {
  Time sum{};
  for (const PieceParts& piece : layer_pieces()) sum += compute::total_time(operations_of(plan, block, piece), kernels);
  if (block.moe) {
    const spec::MoeShape& moe = *plan.model.moe;
    const int experts = moe.experts / plan.section.parallel.expert;
    const std::int64_t mean =
        std::max<std::int64_t>(1, compute::even_rows(plan.model, plan.batch.tokens, plan.setup.options) / experts);
    const std::vector<std::int64_t> rows(std::size_t(experts), mean);
    for (schedule::Piece piece :
         {schedule::Piece::experts, schedule::Piece::experts_back, schedule::Piece::experts_weight})
      sum += expert_seconds(plan, kernels, pass_of(piece), false, rows);
  }
  return seconds(sum);
}

/// What one micro-batch keeps of a layer for its backward pass, with so many routed rows.
Bytes TrainingCosts::kept_bytes(const PlanBlock& block, std::int64_t rows) const {
  return compute::sum_of(compute::layer_activations(plan_.model, block.layer, plan_.batch, rows, plan_.setup.options));
}

void TrainingCosts::price_blocks(compute::KernelCosts& kernels) {
  const ParallelSection& p = plan_.section.parallel;
  const spec::Model& model = plan_.model;
  std::vector<GpuId> tensor_group, context_group;
  for (int i = 0; i < p.tensor; ++i) tensor_group.push_back(GpuId(std::uint32_t(i)));
  for (int i = 0; i < p.context; ++i) context_group.push_back(GpuId(std::uint32_t(i * p.tensor)));
  // Sequence parallelism: gather a layer part's input, scatter its output, and the same going backward.
  activations_ = double(plan_.batch.tokens) * model.hidden * 2;
  const Time tensor_pair = collective(network::Collective::all_gather, tensor_group, activations_) +
                           collective(network::Collective::reduce_scatter, tensor_group, activations_);
  // Context parallelism: keys and values of the whole sequence come to every GPU beside the attention core.
  const spec::AttentionShape& a = model.attention;
  keys_ = double(plan_.batch.tokens) * p.context * std::max(1, a.kv_heads / p.tensor) * (a.head_dim + a.v_head_dim) * 2;
  const Time ring = collective(network::Collective::all_gather, context_group, keys_);

  for (const auto& stage : plan_.stages) {
    first_block_.push_back(fixed_.size() / schedule::kPieces / kSides);
    tensor_pairs_.push_back(0);
    context_rings_.push_back(0);
    for (const PlanBlock& block : stage) {
      fixed_.resize(fixed_.size() + std::size_t(schedule::kPieces) * kSides);
      flops_.resize(flops_.size() + std::size_t(schedule::kPieces));
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
void TrainingCosts::price_block(compute::KernelCosts& kernels, const PlanBlock& block, Time tensor_pair, Time ring) {
  schedule::PieceCost* costs = &fixed_[fixed_.size() - std::size_t(schedule::kPieces) * kSides];
  for (const PieceParts& piece : layer_pieces()) {
    const std::vector<compute::Operation> operations = operations_of(plan_, block, piece);
    for (int side = 0; side < kSides; ++side) {
      const compute::GpuShare share = share_of(plan_, side == 1);
      schedule::PieceCost& cost = costs[std::size_t(piece.piece) * kSides + std::size_t(side)];
      cost.busy = compute::total_time(operations, kernels, share);
      if (side == 0)
        for (const compute::Operation& o : operations)
          flops_[flops_.size() - std::size_t(schedule::kPieces) + std::size_t(piece.piece)] += o.useful.v;
      if (piece.pass == compute::Pass::weight_gradient || operations.empty()) continue;
      const bool attention =
          piece.piece == schedule::Piece::attention || piece.piece == schedule::Piece::attention_back;
      if (attention || piece.piece == schedule::Piece::shared || piece.piece == schedule::Piece::shared_back) {
        cost.exposed += tensor_pair;
        tensor_pairs_.back() += side == 0;
      }
      if (!attention || block.kind != PlanBlock::Kind::layer) continue;
      if (side == 0) context_rings_.back() += piece.piece == schedule::Piece::attention ? 1 : 2;
      const Time moved =
          piece.piece == schedule::Piece::attention ? ring : 2 * ring;  // back: gathered again, and reduced
      cost.exposed += std::max(Time{0}, moved - core_time(operations, kernels, share));
    }
  }
}

Time TrainingCosts::expert_time(schedule::Piece piece, bool beside, int used, int tiles) {
  std::vector<Time>& times = expert_times_[{int(piece) * kSides + beside, used}];
  if (times.size() <= std::size_t(tiles)) times.resize(std::size_t(tiles) + 1, Time{-1});
  Time& time = times[std::size_t(tiles)];
  if (time.v < 0) time = expert_seconds(plan_, kernels_, pass_of(piece), beside, rows_of_tiles(used, tiles));
  return time;
}
}  // namespace moesim::training
