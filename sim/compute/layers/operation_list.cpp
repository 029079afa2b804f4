#include "compute/layers/operation_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "core/ceil_div.h"

namespace moesim::compute {
namespace {
// Of a matrix product: its second operand.  A weight gradient reads none.
struct WeightsRead {
  Bytes operator()(const Gemm& g) const {
    return g.fp32_accumulate ? Bytes{} : g.batch * weight_bytes(g.n, g.k, g.weights.value_or(g.dtype));
  }
  Bytes operator()(const GroupedGemm& g) const {
    return g.weight_gradient ? Bytes{} : group_rows(g).used * weight_bytes(g.n, g.k, g.weights.value_or(g.dtype));
  }
  Bytes operator()(const auto&) const { return {}; }
};
}  // namespace

void OperationList::push(std::string_view name, const Kernel& kernel, double flops, double useful, Bytes vectors) {
  if (frozen() && pass_ == Pass::weight_gradient && !adapting_) return;
  out_.push_back({.name = name,
                  .part = part_,
                  .pass = pass_,
                  .recomputed = recomputing,
                  .kernel = kernel,
                  .flops = {flops},
                  .useful = {recomputing ? 0 : useful},
                  .bytes = bytes_of(kernel) + vectors,
                  .weights = std::visit(WeightsRead{}, kernel) + vectors,
                  .adapter = adapting_});
}

void OperationList::add(std::string_view name, const Kernel& kernel) {
  const double flops = flops_of(kernel).v;
  push(name, kernel, flops, flops, {});
}

void OperationList::add(std::string_view name, const Kernel& kernel, double parameters, std::int64_t tokens,
                        Bytes vectors) {
  const double flops = flops_of(kernel).v + 2 * parameters * double(tokens);
  push(name, kernel, flops, flops, pass_ == Pass::forward ? vectors : Bytes{});
}

void OperationList::add_attention_backward(std::string_view name, const AttentionBackward& k, double sinks) {
  const double of_sinks = 4 * sinks * double(k.work.queries);
  push(name, k, flops_of(k).v + of_sinks, 2 * flops_of(AttentionPrefill{k.heads, k.work, k.dtype}).v + of_sinks, {});
}

void OperationList::add_scan(std::string_view name, const StateScan& s, double parameters) {
  const double vectors = 2 * parameters * double(s.tokens);
  const double each = s.kind == Recurrence::mamba2 ? 5 : 7;  // spec::state_flops()
  const double counted = each * double(s.state()) * double(s.tokens) * (s.backward ? 2 : 1);
  push(name, s, flops_of(s) + vectors, counted + vectors,
       pass_ == Pass::forward ? Bytes{std::int64_t(2 * parameters)} : Bytes{});
}

std::optional<spec::Dtype> OperationList::stored_dtype() const {
  if (training()) return {};
  const Precisions& p = options_.precision;
  return part_ == LayerPart::experts     ? p.expert_weights
         : part_ == LayerPart::attention ? p.projection_weights
                                         : p.linear_weights;
}

void OperationList::linear(std::string_view name, std::int64_t m, std::int64_t n, std::int64_t k, double bias) {
  if (m == 0) return;
  add(name, Gemm{.m = m, .n = n, .k = k, .dtype = linear_dtype(), .weights = stored_dtype(), .scales = scales()}, bias,
      m, {std::int64_t(2 * bias)});
  adapt(m, n, k);
}

// Megatron-Bridge's LoRALinear: the two thin products, a pass that scales by alpha over rank, and the sum with what the
// product gave; backward the same in reverse.  Where GPUs share the product's columns each has the whole first matrix,
// where they share its rows the whole second one: the product's own collectives then add up what the adapters give.
void OperationList::adapt(std::int64_t m, std::int64_t n, std::int64_t k) {
  if (!options_.adapters.on(part_)) return;
  const std::int64_t rank = options_.adapters.rank;
  adapting_ = true;
  add("adapter down", Gemm{.m = m, .n = rank, .k = k});
  add("adapter up", Gemm{.m = m, .n = n, .k = rank});
  add_adapted(m * (pass_ == Pass::forward || recomputing ? n : k), m * n);
  adapting_ = false;
}

void OperationList::add_adapted(std::int64_t scaled, std::int64_t result) {
  moved("scale adapter", MemoryKind::copy, scaled, spec::Dtype::bf16, scaled, spec::Dtype::bf16);
  add_rows("add adapter", result);
}

void OperationList::adapt_groups(const GroupedGemm& product) {
  if (!options_.adapters.on(part_)) return;
  const std::int64_t rank = options_.adapters.rank, rows = group_rows(product).rows;
  GroupedGemm down = product, up = product;
  down.n = rank, up.k = rank;
  down.weights = up.weights = {};
  adapting_ = true;
  if (product.weight_gradient) {
    add("adapters down wgrad", down);
    add("adapters up wgrad", up);
  } else {
    add("adapters down", down);
    add("adapters up", up);
    add_adapted(rows * (pass_ == Pass::forward || recomputing ? product.n : product.k), rows * product.n);
  }
  adapting_ = false;
}

void OperationList::weight(std::string_view name, std::int64_t m, std::int64_t n, std::int64_t k, int products) {
  if (options_.adapters.on(part_)) {
    const std::int64_t rank = options_.adapters.rank;
    adapting_ = true;
    add("adapter down wgrad", Gemm{.m = products * rank, .n = k, .k = m, .fp32_accumulate = true});
    add("adapter up wgrad", Gemm{.m = n, .n = rank, .k = m, .fp32_accumulate = true});
    adapting_ = false;
    return;
  }
  add(name, Gemm{.m = n, .n = k, .k = m, .dtype = linear_dtype(), .fp32_accumulate = true, .scales = scales()});
}

void OperationList::moved(std::string_view name, MemoryKind kind, std::int64_t read, spec::Dtype in, std::int64_t write,
                          spec::Dtype out, double parameters, std::int64_t tokens) {
  const Bytes bytes = tensor_bytes(read, in) + tensor_bytes(write, out);
  if (bytes.v > 0)
    add(name, MemoryOp{kind, bytes, !options_.training && is_tuned_for_serving(kind)}, parameters, tokens,
        {std::int64_t(2 * parameters)});
}

void OperationList::norm(std::string_view name, std::int64_t rows, std::int64_t width) {
  moved(name, MemoryKind::norm, rows * width, spec::Dtype::bf16, rows * width, spec::Dtype::bf16, double(width), rows);
}

// Reads the gradient and the input, writes the input's gradient; as useful as two forward norms.
void OperationList::norm_backward(std::string_view name, std::int64_t rows, std::int64_t width) {
  moved(name, MemoryKind::norm_backward, 2 * rows * width, spec::Dtype::bf16, rows * width, spec::Dtype::bf16,
        2 * double(width), rows);
}

// Transformer Engine's inner products walk K along rows in FP8, and groups of scales follow K, so what gradients of
// weights read is made in the same kernel (quantize: rowwise and columnwise).  A scale that comes from the tensor
// itself takes a pass that finds the largest number first.
void OperationList::cast(std::string_view name, std::int64_t elements) {
  if (!fp8() || elements == 0) return;
  if (casts_in_blocks()) return moved(name, MemoryKind::cast, elements, spec::Dtype::bf16, elements, linear_dtype());
  const Recipe recipe = options_.precision.recipe;
  if (recipe == Recipe::current || recipe == Recipe::nvfp4)
    add("largest number", MemoryOp{MemoryKind::copy, {2 * elements}});
  add(name, MemoryOp{MemoryKind::cast_transpose,
                     Bytes{2 * elements} + 2 * operand_bytes(elements, linear_dtype(), scales())});
}

// Transformer Engine's tex.split_quantize, of which it has kernels for all experts together where scales are delayed
// (fused_multi_cast_transpose) or NVFP4's.  A current scale takes four launches each: the largest number is set to zero
// and found, the scale made of it, the rows cast (Float8CurrentScalingQuantizer::quantize_impl, release 2.9).
void OperationList::cast_rows(std::string_view name, std::span<const std::int64_t> rows, std::int64_t width) {
  const Recipe recipe = options_.precision.recipe;
  if (!fp8() || !options_.expert_by_expert || (recipe != Recipe::current && recipe != Recipe::mxfp8))
    return cast(name, group_rows(rows).rows * width);
  std::size_t first = out_.size();
  for (const std::int64_t here : rows) {
    if (here == 0) continue;
    if (recipe == Recipe::current) small("zero, scale", 2);
    cast(name, here * width);
  }
  for (++first; first < out_.size(); ++first) out_[first].within = true;
}

Scales OperationList::scales() const {
  switch (options_.precision.recipe) {
    case Recipe::blocks:
      return Scales::blocks;
    case Recipe::current:
    case Recipe::delayed:
      // Transformer Engine, recipe.py: use_split_accumulator is false forward, true in both products of the backward.
      return pass_ == Pass::forward || recomputing ? Scales::tensor : Scales::promoted;
    case Recipe::mxfp8:
    case Recipe::nvfp4:
      return Scales::groups;
  }
  throw std::logic_error("a recipe without scales");
}

void OperationList::cast_transpose(std::string_view name, std::int64_t elements) {
  if (fp8() && casts_in_blocks())
    moved(name, MemoryKind::cast_transpose, elements, spec::Dtype::bf16, elements, linear_dtype());
}

void OperationList::transpose_scales(std::string_view name, std::int64_t elements) {
  if (fp8() && casts_in_blocks())
    moved(name, MemoryKind::transpose, elements / 128, spec::Dtype::fp32, elements / 128, spec::Dtype::fp32);
}

void OperationList::add_rows(std::string_view name, std::int64_t elements, int inputs) {
  moved(name, MemoryKind::add, inputs * elements, spec::Dtype::bf16, elements, spec::Dtype::bf16);
}

void OperationList::small(std::string_view name, int count) { add(name, SmallChain{count, replayed_}); }

int share_of(int total, int parts, std::string_view what) {
  if (parts < 1 || total % parts != 0)
    throw ConfigError(fmt::format("{} {} cannot be shared by {} tensor-parallel GPUs", total, what, parts));
  return total / parts;
}

int expert_columns(const spec::MoeShape& moe, const LayerOptions& options) {
  const int parts = options.expert_tensor, block = options.expert_block;
  if (block <= 1) return share_of(moe.expert_width, parts, "columns of an expert");
  return ceil_div(ceil_div(moe.expert_width, parts), block) * block;
}

std::int64_t replicated_rows(const LayerCall& call) {
  const std::int64_t parts = call.options.sequence_parallel ? call.options.tensor : 1;
  return ceil_div(call.batch.tokens, parts);
}
}  // namespace moesim::compute
