// What the pieces of each block cost on one GPU beside the experts', with the collectives of tensor and context
// parallelism, and what a micro-batch keeps of it.
#include <algorithm>

#include "training/costs.h"
#include "training/pieces.h"

namespace moesim::training {
namespace {
using schedule::Piece;

bool is_attention(Piece p) { return p == Piece::attention || p == Piece::attention_back; }
bool is_shared(Piece p) { return p == Piece::shared || p == Piece::shared_back; }

/// Gathers and scatters of tensor parallelism in one piece.  Sequence parallelism: a layer part's input is gathered and
/// its output scattered, and the same going backward.  The head has no output to scatter, so its input's gradient alone
/// is; the embedding's output is scattered, and with it the gathering of its gradient is counted.
struct TensorCalls {
  int gathers = 0, scatters = 0;
};
TensorCalls tensor_calls(const spec::Model& model, const PlanBlock& block, const PieceParts& piece) {
  if (piece.pass == compute::Pass::weight_gradient || !(is_attention(piece.piece) || is_shared(piece.piece))) return {};
  // A gate alone computes its own part of the sequence.
  if (block.kind == PlanBlock::Kind::layer && is_attention(piece.piece) &&
      spec::layer_shape(model, block.layer).attention.kind == spec::AttentionKind::none)
    return {};
  if (block.kind != PlanBlock::Kind::head) return {1, 1};
  return schedule::is_forward(piece.piece) ? TensorCalls{1, 0} : TensorCalls{0, 1};
}

Time core_time(std::span<const compute::Operation> operations, compute::KernelCosts& kernels, compute::GpuShare share) {
  Time sum{};
  for (const compute::Operation& o : operations)
    if (std::holds_alternative<compute::AttentionPrefill>(o.kernel) ||
        std::holds_alternative<compute::SparsePrefill>(o.kernel) ||
        std::holds_alternative<compute::AttentionBackward>(o.kernel))
      sum += kernels.time(o.kernel, share);
  return sum;
}

/// The first and the last product of a piece: what a gather can run into and a scatter out of.
struct Products {
  Time first{}, last{};
};
Products products_of(std::span<const compute::Operation> operations, compute::KernelCosts& kernels,
                     compute::GpuShare share) {
  Products out;
  for (const compute::Operation& o : operations) {
    if (o.recomputed || o.part == compute::LayerPart::gate || !std::holds_alternative<compute::Gemm>(o.kernel))
      continue;
    const Time takes = kernels.time(o.kernel, share);
    if (out.first.v == 0) out.first = takes;
    out.last = takes;
  }
  return out;
}
}  // namespace

Time exposed_in_parts(Time moved, Time product, int parts) {
  return std::max(moved, product) + Time{(std::min(moved, product).v + parts - 1) / parts} - product;
}

Time TrainingCosts::exposed_beside(Time moved, Time product) const {
  if (!plan_.section.tensor_overlap || product.v == 0) return moved;
  return exposed_in_parts(moved, product, plan_.section.parallel.tensor);
}

/// What one micro-batch keeps of a layer for its backward pass, with so many routed rows.
Bytes TrainingCosts::kept_bytes(const PlanBlock& block, std::int64_t rows) const {
  return compute::sum_of(compute::layer_activations(plan_.model, block.layer, plan_.batch, rows, plan_.setup.options));
}

void TrainingCosts::price_blocks(compute::KernelCosts& kernels) {
  const ParallelSection& p = plan_.section.parallel;
  const spec::Model& model = plan_.model;
  const std::vector<GpuId> tensor_group = group_of(0, 1, p.tensor);
  activations_ = double(plan_.batch.tokens) * model.hidden * 2;
  gather_time_ = collective(network::Collective::all_gather, tensor_group, activations_);
  scatter_time_ = collective(network::Collective::reduce_scatter, tensor_group, activations_);
  // Context parallelism: keys and values of the whole sequence come to every GPU beside the attention core.
  const spec::AttentionShape& a = model.attention;
  keys_ = double(plan_.batch.tokens) * p.context * std::max(1, a.kv_heads / p.tensor) * (a.head_dim + a.v_head_dim) * 2;
  ring_time_ = collective(network::Collective::all_gather, group_of(0, p.tensor, p.context), keys_);

  for (const auto& stage : plan_.stages) {
    first_block_.push_back(fixed_.size() / schedule::kPieces / kSides);
    StageCalls& calls = stage_calls_.emplace_back();
    for (const PlanBlock& block : stage) {
      fixed_.resize(fixed_.size() + std::size_t(schedule::kPieces) * kSides);
      flops_.resize(flops_.size() + std::size_t(schedule::kPieces));
      for (const PieceParts& piece : layer_pieces()) price_piece(kernels, block, piece, calls);
      if (block.kind != PlanBlock::Kind::layer) {
        kept_.push_back({plan_.batch.tokens / p.tensor * model.hidden * 2});
        continue;
      }
      kept_.push_back(kept_bytes(block, 0));
      if (block.moe) kept_row_ = (kept_bytes(block, 1 << 20) - kept_bytes(block, 0)) / (1 << 20);
    }
  }
}

/// Into the last block of fixed_.
void TrainingCosts::price_piece(compute::KernelCosts& kernels, const PlanBlock& block, const PieceParts& piece,
                                StageCalls& calls) {
  schedule::PieceCost* costs = &fixed_[fixed_.size() - std::size_t(schedule::kPieces) * kSides];
  const std::vector<compute::Operation> operations = operations_of(plan_, block, piece);
  for (const compute::Operation& o : operations)
    flops_[flops_.size() - std::size_t(schedule::kPieces) + std::size_t(piece.piece)] += o.useful.v;
  if (operations.empty()) return;
  const bool back = piece.pass == compute::Pass::backward_input, layer = block.kind == PlanBlock::Kind::layer;
  const TensorCalls tensor = tensor_calls(plan_.model, block, piece);
  // Keys and values: gathered forward; backward gathered again, and their gradients reduced.
  const int rings = piece.pass != compute::Pass::weight_gradient && is_attention(piece.piece) && layer ? 1 + back : 0;
  const bool again = back && layer && plan_.setup.options.recompute.layer && (tensor.gathers > 0 || rings > 0);
  const Piece forward = is_attention(piece.piece) ? Piece::attention : Piece::shared;
  for (int side = 0; side < kSides; ++side) {
    const compute::GpuShare share = share_of(plan_, side == 1);
    const auto cost = [&](Piece of) -> schedule::PieceCost& {
      return costs[std::size_t(of) * kSides + std::size_t(side)];
    };
    cost(piece.piece).busy = compute::total_time(operations, kernels, share);
    cost(piece.piece).host = host_time(plan_, piece.piece, operations);
    Time& exposed = cost(piece.piece).exposed;
    const Products products = products_of(operations, kernels, share);
    if (tensor.gathers > 0) exposed += exposed_beside(gather_time_, products.first);
    if (tensor.scatters > 0) exposed += exposed_beside(scatter_time_, products.last);
    // Core attention that is computed again hides what is gathered again for it, not this.
    if (rings > 0) {
      const Time core = core_time(operations, kernels, share) - (again ? core_times_[std::size_t(side)] : Time{});
      exposed += std::max(Time{0}, rings * ring_time_ - core);
      if (!back) core_times_[std::size_t(side)] = core;
    }
    if (again) exposed += cost(forward).exposed;
  }
  calls.gathers += tensor.gathers * (1 + again);
  calls.scatters += tensor.scatters * (1 + again);
  calls.rings += rings + (again ? rings > 0 : 0);
}
}  // namespace moesim::training
