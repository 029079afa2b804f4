// MHA and GQA: one projection to queries, keys and values, which are cached as they are.
#include <algorithm>

#include "compute/layers/grouped_inventory.h"

namespace moesim::compute {

// Where a layer without RoPE grows its queries with the position (Llama-4), one more pass over them.
void GroupedInventory::projections(OperationList& list, const LayerCall& c, const AttentionPart& s) const {
  const std::int64_t width = projected(s), elements = s.tokens * (s.q + s.k());
  list.linear(s.a.keys_are_values ? "qk" : "qkv", s.tokens, width, s.hidden, s.a.qkv_bias ? double(width) : 0);
  if (s.a.head_gate) list.linear("head gates", s.tokens, s.heads, s.hidden);
  // Values leave the keys before those are normed and turned.
  if (s.a.keys_are_values)
    list.moved("values of keys", MemoryKind::norm, s.tokens * s.v(), spec::Dtype::bf16, s.tokens * s.v(),
               spec::Dtype::bf16);
  if (s.layer.head_norm != spec::HeadNorm::none)
    list.moved("norm q, k", MemoryKind::norm, elements, spec::Dtype::bf16, elements, spec::Dtype::bf16, head_norms(s),
               s.tokens);
  rotate(list, "rope", s.tokens, rotated_columns(c, s));
  if (!s.layer.rope.active && s.a.temperature_scale > 0)
    list.moved("scale q", MemoryKind::copy, s.tokens * s.q, spec::Dtype::bf16, s.tokens * s.q, spec::Dtype::bf16);
}

std::int64_t GroupedInventory::cached_width(const AttentionPart& s) const { return s.k() + s.v(); }

AttentionHeads GroupedInventory::prompt_heads(const AttentionPart& s) const {
  const bool windowed = s.layer.kind == spec::AttentionKind::windowed;  // by the kernels of GQA
  return {windowed ? s.a.kind : s.layer.kind, s.heads, s.kv_heads, s.a.head_dim, s.a.v_head_dim, false};
}

void GroupedInventory::decode_core(OperationList& list, const LayerCall& c, const AttentionPart& s) const {
  const Precisions& p = c.options.precision;
  const double sinks = sinks_of(s);
  list.add("attention decode", AttentionDecode{prompt_heads(s), s.decode, p.attention, p.kv_cache}, sinks,
           s.decode.queries, {std::int64_t(2 * sinks)});
}

// The core's output and the gates in, their product out; back: both and the product's gradient in, two out.
void GroupedInventory::gate_output(OperationList& list, const AttentionPart& s) const {
  if (s.a.head_gate)
    list.moved("gate heads", MemoryKind::swiglu, s.tokens * (s.o + s.heads), spec::Dtype::bf16, s.tokens * s.o,
               spec::Dtype::bf16);
  if (s.a.output_gate)
    list.moved("gate output", MemoryKind::swiglu, 2 * s.tokens * s.o, spec::Dtype::bf16, s.tokens * s.o,
               spec::Dtype::bf16);
}

void GroupedInventory::gate_output_backward(OperationList& list, const AttentionPart& s) const {
  if (s.a.head_gate)
    list.moved("gate heads backward", MemoryKind::swiglu_backward, s.tokens * (2 * s.o + s.heads), spec::Dtype::bf16,
               s.tokens * (s.o + s.heads), spec::Dtype::bf16);
  if (s.a.output_gate)
    list.moved("gate output backward", MemoryKind::swiglu_backward, 3 * s.tokens * s.o, spec::Dtype::bf16,
               2 * s.tokens * s.o, spec::Dtype::bf16);
}

void GroupedInventory::recompute(OperationList&, const LayerCall&, const AttentionPart&) const {}

std::int64_t GroupedInventory::rotated_columns(const LayerCall&, const AttentionPart& s) const {
  return s.layer.rope.active ? std::int64_t{s.heads + s.kv_heads} * s.layer.rope.dims : 0;
}

void GroupedInventory::heads_backward(OperationList& list, const LayerCall&, const AttentionPart& s) const {
  if (s.a.keys_are_values)
    list.moved("values of keys backward", MemoryKind::norm_backward, 3 * s.tokens * s.v(), spec::Dtype::bf16,
               s.tokens * s.v(), spec::Dtype::bf16);
  if (s.layer.head_norm == spec::HeadNorm::none) return;
  const std::int64_t elements = s.tokens * (s.q + s.k());
  list.moved("norm q, k backward", MemoryKind::norm_backward, 2 * elements, spec::Dtype::bf16, elements,
             spec::Dtype::bf16, 2 * head_norms(s), s.tokens);
}

void GroupedInventory::projections_backward(OperationList& list, const LayerCall&, const AttentionPart& s) const {
  const std::int64_t width = projected(s);
  list.cast("cast dqkv", s.tokens * width);
  list.linear("qkv dgrad", s.tokens, s.hidden, width, s.a.qkv_bias ? 2.0 * double(width) : 0);
  if (s.a.head_gate) {
    list.linear("head gates dgrad", s.tokens, s.hidden, s.heads);
    list.add_rows("add dgrads", s.tokens * s.hidden);
  }
  list.cast_transpose("cast dqkv for weights", s.tokens * width);
}

void GroupedInventory::weight_gradients(OperationList& list, const LayerCall&, const AttentionPart& s) const {
  list.weight("qkv wgrad", s.tokens, projected(s), s.hidden);
  if (s.a.head_gate) list.weight("head gates wgrad", s.tokens, s.heads, s.hidden);
}

std::string_view GroupedInventory::input_needed_by(const spec::AttentionShape&) const { return "qkv wgrad"; }

void GroupedInventory::keep(Kept& kept, const KeptCall& c) const {
  const spec::LayerAttention layer = spec::layer_shape(c.model, c.layer).attention;
  const spec::AttentionShape a = spec::heads_of(c.model.attention, layer.kind);
  const std::int64_t kv_heads = std::max(1, a.kv_heads / c.options.tensor), k = kv_heads * a.head_dim;
  if (layer.head_norm != spec::HeadNorm::none)
    kept.add("q, k before norm", "norm q, k backward", c.tokens * (c.heads * a.head_dim + k), spec::Dtype::bf16);
  if (a.head_gate) {
    kept.add("head gates", "gate heads backward", c.tokens * c.heads, spec::Dtype::bf16);
    kept.add("output before its gates", "gate heads backward", c.tokens * c.heads * a.v_head_dim, spec::Dtype::bf16);
  }
  if (a.output_gate) {
    kept.add("output gates", "gate output backward", c.tokens * c.heads * a.v_head_dim, spec::Dtype::bf16);
    kept.add("output before its gates", "gate output backward", c.tokens * c.heads * a.v_head_dim, spec::Dtype::bf16);
  }
  kept.add("q, k, v", "attention backward", c.tokens * (c.heads * a.head_dim + k + kv_heads * a.v_head_dim),
           spec::Dtype::bf16);
}

AttentionHeads GroupedInventory::cached_heads(const spec::AttentionShape& a, int tensor) const {
  return {a.kind, a.heads, std::max(1, a.kv_heads / tensor), a.head_dim, a.v_head_dim, false};
}

const AttentionInventory& grouped_inventory() {
  static const GroupedInventory inventory;
  return inventory;
}
}  // namespace moesim::compute
