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
/// is; the embedding's output is scattered, and with it the gathering of its gradient is counted.  Of its input a part
/// keeps a shard alone: going backward it is gathered once more, for the gradient of the weights (Korthikanti et al.,
/// Reducing Activation Recomputation in Large Transformer Models, 2022, section 4.2.2).
struct TensorCalls {
  int gathers = 0, scatters = 0, inputs = 0;
};
TensorCalls tensor_calls(const spec::Model& model, const PlanBlock& block, const PieceParts& piece) {
  if (piece.pass == compute::Pass::weight_gradient || !(is_attention(piece.piece) || is_shared(piece.piece))) return {};
  // A gate alone computes its own part of the sequence.
  if (block.kind == PlanBlock::Kind::layer && is_attention(piece.piece) &&
      spec::layer_shape(model, block.layer).attention.kind == spec::AttentionKind::none)
    return {};
  const bool forward = schedule::is_forward(piece.piece);
  if (block.kind == PlanBlock::Kind::head) return forward ? TensorCalls{1, 0, 0} : TensorCalls{0, 1, 1};
  return {1, 1, !forward && block.kind != PlanBlock::Kind::embedding};
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
  const compute::Operation *first = nullptr, *last = nullptr;
};
Products products_of(std::span<const compute::Operation> operations) {
  Products out;
  for (const compute::Operation& o : operations) {
    if (o.recomputed || o.part == compute::LayerPart::gate || !std::holds_alternative<compute::Gemm>(o.kernel))
      continue;
    if (out.first == nullptr) out.first = &o;
    out.last = &o;
  }
  return out;
}

const PieceParts& parts_of(Piece piece) { return *std::ranges::find(layer_pieces(), piece, &PieceParts::piece); }

/// Among gradients of weights, the product of those that read the part's input; null: none.
const compute::Operation* input_weights(const TrainingPlan& plan, const PlanBlock& block, Piece piece,
                                        std::span<const compute::Operation> operations) {
  const std::vector<compute::Operation> forward =
      operations_of(plan, block, parts_of(piece == Piece::attention_weight ? Piece::attention : Piece::shared));
  const compute::Operation* reads = products_of(forward).first;
  if (reads == nullptr) return nullptr;
  for (const compute::Operation& o : operations)
    if (o.name.starts_with(reads->name) && std::holds_alternative<compute::Gemm>(o.kernel)) return &o;
  return nullptr;
}

/// Whether gradients of weights are a pass of their own, some time after those of inputs.
bool splits_weights(const schedule::Schedule& schedule) {
  return std::ranges::any_of(schedule.programs, [](const std::vector<schedule::Instruction>& program) {
    return std::ranges::find(program, schedule::Op::weight, &schedule::Instruction::op) != program.end();
  });
}
}  // namespace

Time exposed_in_parts(Time moved, Time product, int parts) {
  return std::max(moved, product) + Time{(std::min(moved, product).v + parts - 1) / parts} - product;
}

Time TrainingCosts::exposed_beside(Time moved, Time product) const {
  if (!plan_.section.tensor_overlap || product.v == 0) return moved;
  return exposed_in_parts(moved, product, plan_.section.parallel.tensor);
}

/// A collective that is started ahead of a product and ends before it is needed: it holds SMs meanwhile, and what
/// outlasts the product is exposed.  Source: Megatron-LM, megatron/core/tensor_parallel/layers.py,
/// LinearWithGradAccumulationAndAsyncCommunication (Transformer Engine does the same).
void TrainingCosts::lay_beside(schedule::PieceCost& cost, Time moved, const compute::Operation* product,
                               compute::KernelCosts& kernels, compute::GpuShare share) const {
  if (product == nullptr) {
    cost.exposed += moved;
    return;
  }
  const Time alone = kernels.time(product->kernel, share),
             squeezed = kernels.time(product->kernel, beside_collective(plan_, share, false));
  cost.busy += schedule::squeezed_for(moved, alone, squeezed) - alone;
  cost.exposed += std::max(Time{0}, moved - squeezed);
}

/// Whether what is gathered has been cast before, so that one byte a number moves: Transformer Engine's recipes
/// (transformer_engine/pytorch/distributed.py, gather_along_first_dim with a quantizer).
bool TrainingCosts::gathers_cast(const PlanBlock& block, Piece of) const {
  const compute::Precisions& formats = plan_.setup.options.precision;
  if (formats.recipe == compute::Recipe::blocks || block.kind != PlanBlock::Kind::layer) return false;
  return (is_attention(of) ? formats.of_projections() : formats.linear) == spec::Dtype::fp8;
}

/// Whether the gradient of a part's input is scattered beside the weights' (Megatron-LM, as above).
bool TrainingCosts::scatters_late(const PlanBlock& block, Piece of) const {
  if (splits_weights_ || schedule::is_forward(of)) return false;
  const bool attention = of == Piece::attention_back || of == Piece::attention_weight;
  if (!attention && of != Piece::shared_back && of != Piece::shared_weight) return false;
  const PieceParts& input = parts_of(attention ? Piece::attention_back : Piece::shared_back);
  return tensor_calls(plan_.model, block, input).scatters > 0 && !operations_of(plan_, block, input).empty() &&
         !operations_of(plan_, block, parts_of(attention ? Piece::attention_weight : Piece::shared_weight)).empty();
}

/// What one micro-batch keeps of a layer for its backward pass, with so many routed rows.
Bytes TrainingCosts::kept_bytes(const PlanBlock& block, std::int64_t rows) const {
  return compute::sum_of(compute::layer_activations(plan_.model, block.layer, plan_.batch, rows, plan_.setup.options));
}

void TrainingCosts::price_blocks(compute::KernelCosts& kernels) {
  const ParallelSection& p = plan_.section.parallel;
  const spec::Model& model = plan_.model;
  const std::vector<GpuId> tensor_group = group_of(0, 1, p.tensor);
  splits_weights_ = splits_weights(plan_.schedule);
  activations_ = double(plan_.batch.tokens) * model.hidden * 2;
  gather_time_ = collective(network::Collective::all_gather, tensor_group, activations_);
  scatter_time_ = collective(network::Collective::reduce_scatter, tensor_group, activations_);
  cast_activations_ = double(plan_.batch.tokens) * model.hidden;
  cast_gather_time_ = collective(network::Collective::all_gather, tensor_group, cast_activations_);
  // A scale from the tensor's own numbers is one for all its parts: the largest of theirs (with_amax_reduction).
  if (plan_.setup.options.precision.recipe == compute::Recipe::current)
    amax_time_ = collective(network::Collective::all_reduce, tensor_group, spec::element_bytes(spec::Dtype::fp32));
  // Context parallelism: keys and values of the whole sequence come to every GPU beside the attention core.
  const spec::AttentionShape& a = model.attention;
  keys_ = double(plan_.batch.tokens) * p.context * std::max(1, a.kv_heads / p.tensor) * (a.head_dim + a.v_head_dim) * 2;
  ring_time_ = collective(network::Collective::all_gather, group_of(0, p.tensor, p.context), keys_);

  for (const auto& stage : plan_.stages) {
    first_block_.push_back(fixed_.size() / schedule::kPieces / kShares);
    StageCalls& calls = stage_calls_.emplace_back();
    for (const PlanBlock& block : stage) {
      fixed_.resize(fixed_.size() + std::size_t(schedule::kPieces) * kShares);
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
  schedule::PieceCost* costs = &fixed_[fixed_.size() - std::size_t(schedule::kPieces) * kShares];
  const std::vector<compute::Operation> operations = operations_of(plan_, block, piece);
  for (const compute::Operation& o : operations)
    flops_[flops_.size() - std::size_t(schedule::kPieces) + std::size_t(piece.piece)] += o.useful.v;
  if (operations.empty()) return;
  const bool back = piece.pass == compute::Pass::backward_input, layer = block.kind == PlanBlock::Kind::layer;
  const TensorCalls tensor = tensor_calls(plan_.model, block, piece);
  const bool late = scatters_late(block, piece.piece), cast = gathers_cast(block, piece.piece);
  const Time gather = cast ? cast_gather_time_ : gather_time_;
  const compute::Recompute& recompute = plan_.setup.options.recompute;
  // Keys and values: gathered forward; backward gathered again, and their gradients reduced; and for a core alone that
  // is computed again.
  const int rings = piece.pass != compute::Pass::weight_gradient && is_attention(piece.piece) && layer
                        ? 1 + back + (back && recompute.core && !recompute.layer)
                        : 0;
  const compute::LayerPart part =
      is_attention(piece.piece) ? compute::LayerPart::attention : compute::LayerPart::shared;
  const bool again = back && layer && compute::whole_again(plan_.model, block.layer, part, recompute) &&
                     (tensor.gathers > 0 || rings > 0);
  const Piece forward = is_attention(piece.piece) ? Piece::attention : Piece::shared;
  const Products products = products_of(operations);
  for (int side = 0; side < kShares; ++side) {
    const compute::GpuShare share = share_of(plan_, side % kSides == 1, side >= kSides);
    const auto cost = [&](Piece of) -> schedule::PieceCost& {
      return costs[std::size_t(of) * kShares + std::size_t(side)];
    };
    cost(piece.piece).busy = compute::total_time(operations, kernels, share);
    cost(piece.piece).host = host_time(plan_, piece.piece, operations);
    Time& exposed = cost(piece.piece).exposed;
    const auto takes = [&](const compute::Operation* o) {
      return o == nullptr ? Time{} : kernels.time(o->kernel, share);
    };
    if (tensor.gathers > 0) exposed += (cast ? amax_time_ : Time{}) + exposed_beside(gather, takes(products.first));
    if (tensor.inputs > 0) lay_beside(cost(piece.piece), gather, products.last, kernels, share);
    if (late && schedule::is_weight(piece.piece))
      lay_beside(cost(piece.piece), scatter_time_, input_weights(plan_, block, piece.piece, operations), kernels,
                 share);
    else if (tensor.scatters > 0 && !late)
      exposed += exposed_beside(scatter_time_, takes(products.last));
    // Core attention that is computed again hides what is gathered again for it, not this.
    if (rings > 0) {
      const Time core = core_time(operations, kernels, share) - (again ? core_times_[std::size_t(side)] : Time{});
      exposed += std::max(Time{0}, rings * ring_time_ - (plan_.section.context_overlap ? core : Time{}));
      if (!back) core_times_[std::size_t(side)] = core;
    }
    if (again) exposed += cost(forward).exposed;
  }
  (cast ? calls.cast_gathers : calls.gathers) += tensor.gathers * (1 + again) + tensor.inputs;
  calls.scatters += tensor.scatters * (1 + again);
  calls.rings += rings + (again ? rings > 0 : 0);
}
}  // namespace moesim::training
