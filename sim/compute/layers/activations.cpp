// What the forward pass of training keeps for the backward pass, item by item.
#include <algorithm>

#include "compute/layers/attention_inventory.h"
#include "core/ceil_div.h"
#include "core/check.h"

namespace moesim::compute {
namespace {
void attention_kept(Kept& kept, const spec::Model& model, int layer, std::int64_t tokens, std::int64_t rows,
                    const LayerOptions& o) {
  const spec::AttentionKind of = spec::layer_shape(model, layer).attention.kind;
  const spec::AttentionShape a = spec::heads_of(model.attention, of);
  const std::int64_t heads = share_of(a.heads, o.tensor, "attention heads");
  if (of == spec::AttentionKind::none) return;
  const AttentionInventory& kind = inventory_of(of);
  kept.add("layer input", "norm backward", rows * model.stream_width(), spec::Dtype::bf16);
  if (!o.recompute.norms) kept.add("normed input", kind.input_needed_by(a), tokens * model.hidden, kept.linear);
  kind.keep(kept, {model, layer, tokens, heads, o});
  const std::int64_t output = tokens * kind.output_width(model, o);
  const bool in_blocks = o.precision.recipe == Recipe::blocks, core_again = o.recompute.core && !spec::keeps_state(of);
  const bool cast_kept = spec::block_scaled(kept.linear) && !in_blocks;
  // The output projection's gradient needs what the core gave, whoever computes the core again.
  const std::string_view output_needed_by =
      in_blocks || (core_again && !cast_kept) ? std::string_view("o_proj wgrad") : kind.core_needed_by();
  if (kept.linear == spec::Dtype::fp8 && in_blocks)
    kept.items.push_back({"attention output, 12 bits", {output * 3 / 2}, "o_proj wgrad"});
  else if (!(core_again && cast_kept))
    kept.add("attention output", output_needed_by, output, spec::Dtype::bf16);
  if (cast_kept) kept.add("attention output, cast", "o_proj wgrad", output, kept.linear);
  if (!spec::keeps_state(of) && !core_again)
    kept.add("softmax sums", "attention backward", tokens * heads, spec::Dtype::fp32);
  if (model.norms_results()) kept.add("o_proj output", "norm after backward", rows * model.hidden, spec::Dtype::bf16);
}

// Between the two products of an FFN.  down_gradient: the operation that gives the second one's weight gradient.
void middle_kept(Kept& kept, const std::string& of, std::string_view down_gradient, std::int64_t rows,
                 std::int64_t width, const LayerOptions& o, int inputs = 2) {
  kept.add(of + " gate-up", "swiglu backward", rows * inputs * width,
           o.precision.recipe == Recipe::blocks ? kept.linear : spec::Dtype::bf16);
  if (!o.recompute.swiglu) kept.add(of + " activation", down_gradient, rows * width, kept.linear);
}

void ffn_kept(Kept& kept, const spec::Model& model, int layer, std::int64_t tokens, std::int64_t rows,
              std::int64_t routed, const LayerOptions& o) {
  const bool moe = spec::has_experts(model, layer);
  if (spec::layer_shape(model, layer).ffn.kind == spec::FfnKind::none) return;
  kept.add("attention residual", "norm backward", rows * model.stream_width(), spec::Dtype::bf16);
  if (!o.recompute.norms)
    kept.add("normed FFN input", moe ? "router wgrad" : "gate-up wgrad", tokens * model.hidden, kept.linear);
  if (model.norms_results()) kept.add("FFN output", "norm after backward", rows * model.hidden, spec::Dtype::bf16);
  if (!moe)
    return middle_kept(kept, "FFN", "down wgrad", tokens,
                       share_of(model.dense_width, o.tensor, "columns of a feed-forward layer"), o);
  if (o.recompute.experts) return;
  const spec::MoeShape& m = *model.moe;
  kept.add("gate scores", "gate backward", rows * m.gate_outputs(), spec::Dtype::fp32);
  if (m.shared_experts > 0 && !o.recompute.shared_experts)
    middle_kept(kept, "shared", "down wgrad", tokens,
                share_of(m.shared_total(), o.tensor, "columns of the shared expert"), o, model.expert_inputs());
  if (model.norms_branches()) {
    if (!o.recompute.norms) kept.add("normed dense input", "gate-up wgrad", tokens * model.hidden, kept.linear);
    kept.add("dense output", "norm after dense backward", tokens * model.hidden, spec::Dtype::bf16);
    kept.add("routed sum", "norm after experts backward", rows * model.hidden, spec::Dtype::bf16);
  }
  if (m.shared_gate && !o.recompute.shared_experts)
    kept.add("shared output before its gate", "shared gate backward", tokens * model.hidden, spec::Dtype::bf16);
  kept.add("routed results", "latent up wgrad", rows * m.latent_width, spec::Dtype::bf16);
  kept.add("routed rows", "grouped gate-up wgrad", routed * model.row_width(), kept.linear);
  middle_kept(kept, "routed", "grouped down wgrad", routed, expert_columns(m, o), o, model.expert_inputs());
}
/// Whether only the gradient of a weight needs it that nobody takes, since the weight stays as it is and has no
/// adapter. What attention gives is needed by its own backward, too.
bool needed_by_frozen(const MemoryItem& item, const Adapters& adapters, bool shared_expert) {
  if (!item.needed_by.ends_with("wgrad") || item.name.starts_with("attention output")) return false;
  if (item.needed_by.starts_with("grouped")) return !adapters.experts;
  if (item.needed_by.starts_with("router")) return !(adapters.dense && shared_expert);
  if (item.needed_by.starts_with("gate-up") || item.needed_by.starts_with("down")) return !adapters.dense;
  return !adapters.attention;
}

/// Between the two products of each adapter.
std::int64_t adapter_elements(const spec::Model& model, int layer, const Batch& batch, std::int64_t rows,
                              const LayerOptions& options) {
  std::vector<Operation> operations;
  const std::vector<std::int64_t> all{rows};
  for (const LayerPart part : parts_of(model, layer))
    if (options.adapters.on(part))
      append_operations(operations, model, layer, part, Pass::forward, batch, all, options);
  std::int64_t sum = 0;
  for (const Operation& o : operations) {
    if (!o.adapter) continue;
    if (const auto* g = std::get_if<Gemm>(&o.kernel); g != nullptr && g->n == options.adapters.rank) sum += g->m * g->n;
    if (const auto* g = std::get_if<GroupedGemm>(&o.kernel); g != nullptr && g->n == options.adapters.rank)
      sum += rows * g->n;
  }
  return sum;
}
}  // namespace

std::vector<MemoryItem> layer_activations(const spec::Model& model, int layer, const Batch& batch, std::int64_t rows,
                                          const LayerOptions& options) {
  const std::int64_t parts = options.sequence_parallel ? options.tensor : 1;
  const std::int64_t own = ceil_div(batch.tokens, parts);
  Kept kept{{}, options.precision.of_projections()};
  if (options.recompute.layer) {
    kept.add("layer input", "norm", own * model.stream_width(), spec::Dtype::bf16);
    return kept.items;
  }
  attention_kept(kept, model, layer, batch.tokens, own, options);
  kept.linear = options.precision.linear;
  ffn_kept(kept, model, layer, batch.tokens, own, rows, options);
  if (options.adapters.rank == 0) return kept.items;
  const bool shared_expert = spec::has_experts(model, layer) && model.moe->shared_experts > 0;
  std::erase_if(kept.items, [&](const MemoryItem& i) { return needed_by_frozen(i, options.adapters, shared_expert); });
  kept.add("between adapters", "adapter up wgrad", adapter_elements(model, layer, batch, rows, options),
           spec::Dtype::bf16);
  return kept.items;
}

std::vector<MemoryItem> held_activations(const spec::Model& model, const HeldLayers& held, const Batch& batch,
                                         std::int64_t rows, std::span<const double> in_flight,
                                         const LayerOptions& options) {
  check(in_flight.size() == held.layers.size(), "{} counts of micro-batches for {} layers", in_flight.size(),
        held.layers.size());
  std::vector<MemoryItem> sum;
  for (std::size_t i = 0; i < held.layers.size(); ++i)
    for (const MemoryItem& item : layer_activations(model, held.layers[i], batch, rows, options)) {
      auto at = std::ranges::find(sum, item.name, &MemoryItem::name);
      if (at == sum.end()) at = sum.insert(sum.end(), {item.name, {}, item.needed_by});
      at->bytes += Bytes{std::int64_t(double(item.bytes.v) * in_flight[i])};
    }
  return sum;
}
}  // namespace moesim::compute
