// Operations of a layer's attention part: norm, projections, rotary embedding, core, output, residual.
#include "compute/operation_list.h"

namespace moesim {
namespace {
struct Shape {
  const AttentionShape& a;
  std::int64_t tokens, rows;  // of linear layers, of norms and residuals
  std::int64_t hidden;
  int heads, kv_heads;  // on this GPU
  std::int64_t q, o;    // widths of the queries and of the output of the heads here
  const AttentionWork& prefill;
  const AttentionWork& decode;
  bool rotates, norms_heads;  // RoPE; norms of each query and key head
  double head_norms;          // their parameters
  std::int64_t rotated;       // columns of queries and keys here that RoPE turns

  explicit Shape(const LayerCall& c)
      : a(c.model.attention),
        tokens(c.batch.tokens),
        rows(replicated_rows(c)),
        hidden(c.model.hidden),
        heads(share_of(a.heads, c.options.tensor, "attention heads")),
        // Fewer KV heads than GPUs: each GPU keeps a copy of the one it needs.
        kv_heads(c.options.tensor > a.kv_heads ? 1 : share_of(a.kv_heads, c.options.tensor, "KV heads")),
        q(std::int64_t{heads} * a.head_dim),
        o(std::int64_t{heads} * a.v_head_dim),
        prefill(has_window(c.model, c.layer) ? c.batch.window_prefill : c.batch.prefill),
        decode(has_window(c.model, c.layer) ? c.batch.window_decode : c.batch.decode),
        rotates(c.model.rope.rotates(c.layer)),
        norms_heads(moesim::norms_heads(c.model, c.layer)),
        head_norms(c.model.has_qk_norm_weights() ? 2.0 * a.head_dim : 0),
        rotated(!rotates                       ? 0
                : a.kind == AttentionKind::mla ? std::int64_t{heads + 1} * a.qk_rope_head_dim
                                               : std::int64_t(double(q + k()) * c.model.rope.partial)) {}
  std::int64_t kv_down() const { return a.kv_lora_rank + a.qk_rope_head_dim; }
  std::int64_t kv_up() const { return std::int64_t{heads} * (a.qk_nope_head_dim + a.v_head_dim); }
  std::int64_t k() const { return std::int64_t{kv_heads} * a.head_dim; }
  std::int64_t v() const { return std::int64_t{kv_heads} * a.v_head_dim; }
  AttentionHeads expanded() const {
    const bool mla = a.kind == AttentionKind::mla;
    return {a.kind, heads, mla ? heads : kv_heads, a.head_dim, a.v_head_dim, false};
  }
  AttentionHeads absorbed() const {
    return {a.kind, heads, 1, a.kv_lora_rank + a.qk_rope_head_dim, a.kv_lora_rank, true};
  }
};

void rotate(OperationList& list, const Shape& s, std::string_view name) {
  list.moved(name, MemoryKind::rope, s.tokens * s.rotated, Dtype::bf16, s.tokens * s.rotated, Dtype::bf16);
}

// q_b, kv_b, rotary embedding and the copies that assemble K and V: what `recompute.up_projections` does again.
void mla_up(OperationList& list, const Shape& s) {
  if (s.a.q_lora_rank > 0) {
    list.cast("cast q latent", s.tokens * s.a.q_lora_rank);
    list.linear("q_b", s.tokens, s.q, s.a.q_lora_rank);
  }
  const std::int64_t keys = s.prefill.keys;
  if (keys > 0) {
    list.cast("cast kv latent", keys * s.a.kv_lora_rank);
    list.linear("kv_b", keys, s.kv_up(), s.a.kv_lora_rank);
  }
  rotate(list, s, "rope");
  if (keys > 0)
    list.moved("assemble k, v", MemoryKind::copy, keys * (s.kv_up() + s.a.qk_rope_head_dim), Dtype::bf16,
               keys * (s.q + s.o), Dtype::bf16);
}

void mla_projections(OperationList& list, const Shape& s) {
  if (s.a.q_lora_rank > 0)
    list.linear("q_a", s.tokens, s.a.q_lora_rank, s.hidden);
  else
    list.linear("q", s.tokens, s.q, s.hidden);
  if (list.training()) list.cast("cast for kv_a", s.tokens * s.hidden);  // each product casts its own input
  list.linear("kv_a", s.tokens, s.kv_down(), s.hidden);
}

void mla_latent_norms(OperationList& list, const Shape& s) {
  if (s.a.q_lora_rank > 0) list.norm("norm q latent", s.tokens, s.a.q_lora_rank);
  list.norm("norm kv latent", s.tokens, s.a.kv_lora_rank);
}

// Projections, norms of heads and rotary embedding; where a layer without RoPE grows its queries with the position
// (Llama-4), one more pass over them.
void gqa_up(OperationList& list, const LayerCall& c, const Shape& s) {
  const std::int64_t width = s.q + s.k() + s.v(), elements = s.tokens * (s.q + s.k());
  list.linear("qkv", s.tokens, width, s.hidden, s.a.qkv_bias ? double(width) : 0);
  if (s.norms_heads)
    list.moved("norm q, k", MemoryKind::norm, elements, Dtype::bf16, elements, Dtype::bf16, s.head_norms, s.tokens);
  rotate(list, s, "rope");
  if (!s.rotates && c.model.attention.temperature_scale > 0)
    list.moved("scale q", MemoryKind::copy, s.tokens * s.q, Dtype::bf16, s.tokens * s.q, Dtype::bf16);
}

void cores(OperationList& list, const LayerCall& c, const Shape& s) {
  const Precisions& p = c.options.precision;
  const double sinks = s.a.sinks ? s.heads : 0;
  if (s.prefill.queries > 0)
    list.add("attention", AttentionPrefill{s.expanded(), s.prefill, p.attention}, sinks, s.prefill.queries,
             {std::int64_t(2 * sinks)});
  if (s.decode.queries == 0) return;
  if (s.a.kind != AttentionKind::mla) {
    list.add("attention decode", AttentionDecode{s.expanded(), s.decode, p.attention, p.kv_cache}, sinks,
             s.decode.queries, {std::int64_t(2 * sinks)});
    return;
  }
  const std::int64_t queries = s.decode.queries, rank = s.a.kv_lora_rank;
  list.add("absorb q", Gemm{.m = queries, .n = rank, .k = s.a.qk_nope_head_dim, .batch = s.heads});
  list.add("attention decode", AttentionDecode{s.absorbed(), s.decode, p.attention, p.kv_cache});
  list.add("v up", Gemm{.m = queries, .n = s.a.v_head_dim, .k = rank, .batch = s.heads});
}

void store_cache(OperationList& list, const LayerCall& c, const Shape& s) {
  const std::int64_t width = s.a.kind == AttentionKind::mla ? s.kv_down() : s.k() + s.v();
  list.moved("store kv", MemoryKind::copy, s.tokens * width, Dtype::bf16, s.tokens * width,
             c.options.precision.kv_cache);
}
}  // namespace

void attention_forward(OperationList& list, const LayerCall& c) {
  const Shape s(c);
  list.norm("norm", s.rows, s.hidden);
  list.cast("cast", s.tokens * s.hidden);
  if (s.a.kind == AttentionKind::mla) {
    mla_projections(list, s);
    mla_latent_norms(list, s);
    mla_up(list, s);
  } else {
    gqa_up(list, c, s);
  }
  if (!c.options.training) store_cache(list, c, s);
  cores(list, c, s);
  // Kept for backward in 12 bits: 1.5 bytes an element beside the FP8 copy that o_proj reads (DeepSeek-V3, 3.2.3).
  if (c.options.training && list.fp8()) list.add("store output", MemoryOp{MemoryKind::cast, {s.tokens * s.o * 7 / 2}});
  list.cast("cast output", s.tokens * s.o);
  list.linear("o_proj", s.tokens, s.hidden, s.o, s.a.o_bias ? double(s.hidden) : 0);
  if (c.model.norms_per_layer == 4) list.norm("norm after", s.rows, s.hidden);
  list.add_rows("residual", s.rows * s.hidden);
}

void attention_backward(OperationList& list, const LayerCall& c) {
  const Shape s(c);
  const bool mla = s.a.kind == AttentionKind::mla, latent = mla && s.a.q_lora_rank > 0;
  const Recompute& again = c.options.recompute;
  if (c.model.norms_per_layer == 4) list.norm_backward("norm after backward", s.rows, s.hidden);
  if (list.fp8()) list.add("restore output", MemoryOp{MemoryKind::cast, {s.tokens * s.o * 7 / 2}});
  list.cast("cast gradient", s.tokens * s.hidden);
  list.transpose_scales("transpose scales", s.tokens * s.hidden);
  list.linear("o_proj dgrad", s.tokens, s.o, s.hidden, s.a.o_bias ? 2.0 * double(s.hidden) : 0);
  list.cast_transpose("cast output for weights", s.tokens * s.o);
  list.cast_transpose("cast gradient for weights", s.tokens * s.hidden);
  list.recomputing = true;
  if (mla && (again.norms || again.up_projections)) mla_latent_norms(list, s);
  if (mla && again.up_projections) mla_up(list, s);
  list.recomputing = false;
  if (s.prefill.queries > 0)
    list.add_attention_backward("attention backward", {s.expanded(), s.prefill, c.options.precision.attention},
                                s.a.sinks ? s.heads : 0);
  rotate(list, s, "rope backward");
  if (mla) {
    if (latent) {
      list.cast("cast dq", s.tokens * s.q);
      list.linear("q_b dgrad", s.tokens, s.a.q_lora_rank, s.q);
    }
    list.moved("split dk, dv", MemoryKind::copy, s.tokens * (s.q + s.o), Dtype::bf16,
               s.tokens * (s.kv_up() + s.a.qk_rope_head_dim), Dtype::bf16);
    list.cast("cast dkv", s.tokens * s.kv_up());
    list.linear("kv_b dgrad", s.tokens, s.a.kv_lora_rank, s.kv_up());
    list.cast_transpose("cast dkv for weights", s.tokens * s.kv_up());
    list.cast_transpose("cast kv latent for weights", s.tokens * s.a.kv_lora_rank);
    if (latent) {
      list.cast_transpose("cast dq for weights", s.tokens * s.q);
      list.cast_transpose("cast q latent for weights", s.tokens * s.a.q_lora_rank);
      list.norm_backward("norm q latent backward", s.tokens, s.a.q_lora_rank);
    }
    list.norm_backward("norm kv latent backward", s.tokens, s.a.kv_lora_rank);
  } else if (s.norms_heads) {
    const std::int64_t elements = s.tokens * (s.q + s.k());
    list.moved("norm q, k backward", MemoryKind::norm_backward, 2 * elements, Dtype::bf16, elements, Dtype::bf16,
               2 * s.head_norms, s.tokens);
  }
  list.recomputing = true;
  if (again.norms) list.norm("norm again", s.rows, s.hidden);
  list.recomputing = false;
  if (mla) {
    list.cast("cast projections", s.tokens * (s.kv_down() + (latent ? s.a.q_lora_rank : s.q)));
    list.linear("kv_a dgrad", s.tokens, s.hidden, s.kv_down());
    list.linear(latent ? "q_a dgrad" : "q dgrad", s.tokens, s.hidden, latent ? s.a.q_lora_rank : s.q);
    list.add_rows("add dgrads", s.tokens * s.hidden);
    list.cast_transpose("cast projections for weights", s.tokens * (s.kv_down() + (latent ? s.a.q_lora_rank : s.q)));
  } else {
    const std::int64_t width = s.q + s.k() + s.v();
    list.cast("cast dqkv", s.tokens * width);
    list.linear("qkv dgrad", s.tokens, s.hidden, width, s.a.qkv_bias ? 2.0 * double(width) : 0);
    list.cast_transpose("cast dqkv for weights", s.tokens * width);
  }
  list.cast_transpose("cast input for weights", s.tokens * s.hidden);
  list.norm_backward("norm backward", s.rows, s.hidden);
  list.add_rows("residual", s.rows * s.hidden);
}

void attention_weights(OperationList& list, const LayerCall& c) {
  const Shape s(c);
  list.weight("o_proj wgrad", s.tokens, s.hidden, s.o);
  if (s.a.kind != AttentionKind::mla) {
    list.weight("qkv wgrad", s.tokens, s.q + s.k() + s.v(), s.hidden);
    return;
  }
  list.weight("kv_b wgrad", s.tokens, s.kv_up(), s.a.kv_lora_rank);
  if (s.a.q_lora_rank > 0) {
    list.weight("q_b wgrad", s.tokens, s.q, s.a.q_lora_rank);
    list.weight("q_a, kv_a wgrad", s.tokens, s.a.q_lora_rank + s.kv_down(), s.hidden);
  } else {
    list.weight("q, kv_a wgrad", s.tokens, s.q + s.kv_down(), s.hidden);
  }
}
}  // namespace moesim
