// Operations of a layer's attention part that all kinds share: norm, core of prompts, output, residual.
#include "compute/layers/attention_inventory.h"

namespace moesim::compute {
void store_cache(OperationList& list, const LayerCall& c, std::int64_t elements) {
  list.moved("store kv", MemoryKind::copy, elements, spec::Dtype::bf16, elements, c.options.precision.kv_cache);
}

const AttentionInventory& inventory_of(spec::AttentionKind kind) {
  switch (kind) {
    case spec::AttentionKind::mha:
    case spec::AttentionKind::gqa:
      return grouped_inventory();
    case spec::AttentionKind::mla:
      return latent_inventory();
    case spec::AttentionKind::dsa:
      return sparse_inventory();
    case spec::AttentionKind::gated_delta:
      return delta_inventory();
    case spec::AttentionKind::mamba2:
      return mamba_inventory();
    case spec::AttentionKind::compressed:
      return compressed_inventory();
    case spec::AttentionKind::kimi_delta:
      return kimi_inventory();
    case spec::AttentionKind::block_sparse:
      return block_inventory();
    case spec::AttentionKind::windowed:
      return window_inventory();
    case spec::AttentionKind::factored:
      return factored_inventory();
    case spec::AttentionKind::none:
      return no_inventory();
  }
  throw std::logic_error("a kind of attention without an inventory");
}

AttentionPart::AttentionPart(const LayerCall& c)
    : layer(spec::layer_shape(c.model, c.layer).attention),
      own(layer.kind == spec::AttentionKind::windowed ? std::optional(spec::heads_of(c.model.attention, layer.kind))
                                                      : std::nullopt),
      a(own ? *own : c.model.attention),
      tokens(c.batch.tokens),
      rows(replicated_rows(c)),
      hidden(c.model.hidden),
      heads(share_of(a.heads, c.options.tensor, "attention heads")),
      // Fewer KV heads than GPUs: each GPU keeps a copy of the one it needs.
      kv_heads(c.options.tensor > a.kv_heads ? 1 : share_of(a.kv_heads, c.options.tensor, "KV heads")),
      q(std::int64_t{heads} * a.head_dim),
      o(inventory_of(layer.kind).output_width(c.model, c.options)),
      prefill(layer.reads.bounded() ? c.batch.window_prefill : c.batch.prefill),
      decode(layer.reads.bounded() ? c.batch.window_decode : c.batch.decode) {}

void rotate(OperationList& list, std::string_view name, std::int64_t tokens, std::int64_t columns) {
  list.moved(name, MemoryKind::rope, tokens * columns, spec::Dtype::bf16, tokens * columns, spec::Dtype::bf16);
}

void index_target(OperationList& list, AttentionHeads heads, const AttentionWork& picked, int picks) {
  heads.v_dim = 0;  // scores alone
  list.recomputing = true;
  list.add("index target", SparsePrefill{heads, picked, picks, spec::Dtype::bf16});
  list.recomputing = false;
}

double sinks_of(const AttentionPart& s) { return s.a.sinks && !spec::keeps_state(s.layer.kind) ? s.heads : 0; }

std::int64_t AttentionInventory::output_width(const spec::Model& model, const LayerOptions& options) const {
  return std::int64_t{share_of(model.attention.heads, options.tensor, "attention heads")} * model.attention.v_head_dim;
}

void AttentionInventory::core_backward(OperationList& list, const LayerCall& c, const AttentionPart& s) const {
  if (s.prefill.queries > 0)
    list.add_attention_backward("attention backward", {prompt_heads(s), s.prefill, c.options.precision.attention},
                                sinks_of(s));
}

void AttentionInventory::prompt_core(OperationList& list, const LayerCall& c, const AttentionPart& s) const {
  const double sinks = sinks_of(s);
  list.add("attention", AttentionPrefill{prompt_heads(s), s.prefill, c.options.precision.attention}, sinks,
           s.prefill.queries, {std::int64_t(2 * sinks)});
}

void attention_forward(OperationList& list, const LayerCall& c) {
  const AttentionPart s(c);
  const AttentionInventory& kind = inventory_of(s.layer.kind);
  enter_half(list, c);
  list.norm("norm", s.rows, s.hidden);
  list.cast("cast", s.tokens * s.hidden);
  kind.projections(list, c, s);
  if (!c.options.training) store_cache(list, c, s.tokens * kind.cached_width(s));
  if (s.prefill.queries > 0) kind.prompt_core(list, c, s);
  if (s.decode.queries > 0) kind.decode_core(list, c, s);
  // Kept for backward in 12 bits: 1.5 bytes an element beside the FP8 copy that o_proj reads (DeepSeek-V3, 3.2.3).
  if (c.options.training && list.fp8() && list.casts_in_blocks())
    list.add("store output", MemoryOp{MemoryKind::cast, {s.tokens * s.o * 7 / 2}});
  kind.gate_output(list, s);
  list.cast("cast output", s.tokens * s.o);
  list.linear("o_proj", s.tokens, s.hidden, s.o, s.o_bias() ? double(s.hidden) : 0);
  if (c.model.norms_results()) list.norm("norm after", s.rows, s.hidden);
  leave_half(list, c);
}

void attention_backward(OperationList& list, const LayerCall& c) {
  const AttentionPart s(c);
  const AttentionInventory& kind = inventory_of(s.layer.kind);
  leave_half_backward(list, c);
  if (c.model.norms_results()) list.norm_backward("norm after backward", s.rows, s.hidden);
  if (list.fp8() && list.casts_in_blocks())
    list.add("restore output", MemoryOp{MemoryKind::cast, {s.tokens * s.o * 7 / 2}});
  list.cast("cast gradient", s.tokens * s.hidden);
  list.transpose_scales("transpose scales", s.tokens * s.hidden);
  list.linear("o_proj dgrad", s.tokens, s.o, s.hidden, s.o_bias() ? 2.0 * double(s.hidden) : 0);
  list.cast_transpose("cast output for weights", s.tokens * s.o);
  list.cast_transpose("cast gradient for weights", s.tokens * s.hidden);
  kind.gate_output_backward(list, s);
  list.recomputing = true;
  kind.recompute(list, c, s);
  if (c.options.recompute.core && !spec::keeps_state(s.layer.kind)) kind.prompt_core(list, c, s);
  list.recomputing = false;
  kind.core_backward(list, c, s);
  rotate(list, "rope backward", s.tokens, kind.rotated_columns(c, s));
  kind.heads_backward(list, c, s);
  list.recomputing = true;
  if (c.options.recompute.norms) list.norm("norm again", s.rows, s.hidden);
  list.recomputing = false;
  kind.projections_backward(list, c, s);
  list.cast_transpose("cast input for weights", s.tokens * s.hidden);
  list.norm_backward("norm backward", s.rows, s.hidden);
  enter_half_backward(list, c);
}

void attention_weights(OperationList& list, const LayerCall& c) {
  const AttentionPart s(c);
  list.weight("o_proj wgrad", s.tokens, s.hidden, s.o);
  inventory_of(s.layer.kind).weight_gradients(list, c, s);
  stream_weights(list, c);
}
}  // namespace moesim::compute
