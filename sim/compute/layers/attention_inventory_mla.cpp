// MLA: queries, keys and values through latents; decoding attends to the cached latent itself.
#include "compute/layers/latent_steps.h"

namespace moesim::compute {
std::int64_t kv_down(const AttentionPart& s) { return s.a.kv_lora_rank + s.a.qk_rope_head_dim; }
std::int64_t kv_up(const AttentionPart& s) { return std::int64_t{s.heads} * (s.a.qk_nope_head_dim + s.a.v_head_dim); }
bool compresses_queries(const AttentionPart& s) { return s.a.q_lora_rank > 0; }
std::int64_t query_down(const AttentionPart& s) { return compresses_queries(s) ? s.a.q_lora_rank : s.q; }

AttentionHeads absorbed(const spec::AttentionShape& a, int heads) {
  return {spec::AttentionKind::mla, heads, 1, a.kv_lora_rank + a.qk_rope_head_dim, a.kv_lora_rank, true};
}

void latent_norms(OperationList& list, const AttentionPart& s) {
  if (compresses_queries(s)) list.norm("norm q latent", s.tokens, s.a.q_lora_rank);
  list.norm("norm kv latent", s.tokens, s.a.kv_lora_rank);
}

void latents(OperationList& list, const AttentionPart& s) {
  list.linear(compresses_queries(s) ? "q_a" : "q", s.tokens, query_down(s), s.hidden);
  if (list.training()) list.cast("cast for kv_a", s.tokens * s.hidden);  // each product casts its own input
  list.linear("kv_a", s.tokens, kv_down(s), s.hidden);
  latent_norms(list, s);
}

void query_up(OperationList& list, const AttentionPart& s) {
  if (!compresses_queries(s)) return;
  list.cast("cast q latent", s.tokens * s.a.q_lora_rank);
  list.linear("q_b", s.tokens, s.q, s.a.q_lora_rank);
}

void keys_up(OperationList& list, const AttentionPart& s, std::int64_t keys) {
  list.cast("cast kv latent", keys * s.a.kv_lora_rank);
  list.linear("kv_b", keys, kv_up(s), s.a.kv_lora_rank);
}

void absorb_queries(OperationList& list, const AttentionPart& s, std::int64_t queries) {
  list.add("absorb q", Gemm{.m = queries, .n = s.a.kv_lora_rank, .k = s.a.qk_nope_head_dim, .batch = s.heads});
}
void values_up(OperationList& list, const AttentionPart& s, std::int64_t queries) {
  list.add("v up", Gemm{.m = queries, .n = s.a.v_head_dim, .k = s.a.kv_lora_rank, .batch = s.heads});
}

namespace {
class LatentInventory final : public AttentionInventory {
 public:
  void projections(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    latents(list, s);
    up(list, c, s);
    if (s.a.output_gate) list.linear("output gate", s.tokens, s.o, s.hidden);
  }

  std::int64_t cached_width(const AttentionPart& s) const override { return kv_down(s); }
  AttentionHeads prompt_heads(const AttentionPart& s) const override {
    return {s.a.kind, s.heads, s.heads, s.a.head_dim, s.a.v_head_dim, false};
  }
  void decode_core(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const Precisions& p = c.options.precision;
    absorb_queries(list, s, s.decode.queries);
    list.add("attention decode", AttentionDecode{absorbed(s.a, s.heads), s.decode, p.attention, p.kv_cache});
    values_up(list, s, s.decode.queries);
  }

  void gate_output(OperationList& list, const AttentionPart& s) const override {
    grouped_inventory().gate_output(list, s);
  }
  void gate_output_backward(OperationList& list, const AttentionPart& s) const override {
    grouped_inventory().gate_output_backward(list, s);
  }

  void recompute(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const Recompute& again = c.options.recompute;
    if (again.norms || again.up_projections) latent_norms(list, s);
    if (again.up_projections) up(list, c, s);
  }
  std::int64_t rotated_columns(const LayerCall&, const AttentionPart& s) const override {
    return s.layer.rope.active ? std::int64_t{s.heads + 1} * s.a.qk_rope_head_dim : 0;
  }
  void heads_backward(OperationList& list, const LayerCall&, const AttentionPart& s) const override {
    const bool latent = compresses_queries(s);
    if (latent) {
      list.cast("cast dq", s.tokens * s.q);
      list.linear("q_b dgrad", s.tokens, s.a.q_lora_rank, s.q);
    }
    list.moved("split dk, dv", MemoryKind::copy, s.tokens * (s.q + s.o), spec::Dtype::bf16,
               s.tokens * (kv_up(s) + s.a.qk_rope_head_dim), spec::Dtype::bf16);
    list.cast("cast dkv", s.tokens * kv_up(s));
    list.linear("kv_b dgrad", s.tokens, s.a.kv_lora_rank, kv_up(s));
    list.cast_transpose("cast dkv for weights", s.tokens * kv_up(s));
    list.cast_transpose("cast kv latent for weights", s.tokens * s.a.kv_lora_rank);
    if (latent) {
      list.cast_transpose("cast dq for weights", s.tokens * s.q);
      list.cast_transpose("cast q latent for weights", s.tokens * s.a.q_lora_rank);
      list.norm_backward("norm q latent backward", s.tokens, s.a.q_lora_rank);
    }
    list.norm_backward("norm kv latent backward", s.tokens, s.a.kv_lora_rank);
  }
  void projections_backward(OperationList& list, const LayerCall&, const AttentionPart& s) const override {
    list.cast("cast projections", s.tokens * (kv_down(s) + query_down(s)));
    list.linear("kv_a dgrad", s.tokens, s.hidden, kv_down(s));
    list.linear(compresses_queries(s) ? "q_a dgrad" : "q dgrad", s.tokens, s.hidden, query_down(s));
    if (s.a.output_gate) {
      list.cast("cast gates' gradient", s.tokens * s.o);
      list.linear("output gate dgrad", s.tokens, s.hidden, s.o);
      list.cast_transpose("cast gates' gradient for weights", s.tokens * s.o);
    }
    list.add_rows("add dgrads", s.tokens * s.hidden, s.a.output_gate ? 3 : 2);
    list.cast_transpose("cast projections for weights", s.tokens * (kv_down(s) + query_down(s)));
  }
  void weight_gradients(OperationList& list, const LayerCall&, const AttentionPart& s) const override {
    list.weight("kv_b wgrad", s.tokens, kv_up(s), s.a.kv_lora_rank);
    if (compresses_queries(s)) list.weight("q_b wgrad", s.tokens, s.q, s.a.q_lora_rank);
    if (s.a.output_gate) list.weight("output gate wgrad", s.tokens, s.o, s.hidden);
    list.weight(input_needed_by(s.a), s.tokens, query_down(s) + kv_down(s), s.hidden, 2);
  }

  std::string_view input_needed_by(const spec::AttentionShape& a) const override {
    return a.q_lora_rank > 0 ? "q_a, kv_a wgrad" : "q, kv_a wgrad";
  }
  void keep(Kept& kept, const KeptCall& c) const override {
    const spec::AttentionShape& a = c.model.attention;
    const Recompute& again = c.options.recompute;
    kept.add("latents", "norm kv latent backward", c.tokens * (a.q_lora_rank + a.kv_lora_rank + a.qk_rope_head_dim),
             spec::Dtype::bf16);
    if (!again.norms)
      kept.add("normed latents", "kv_b wgrad", c.tokens * (a.q_lora_rank + a.kv_lora_rank), kept.linear);
    if (!again.up_projections)
      kept.add("q, k, v", "attention backward", c.tokens * c.heads * (2 * a.head_dim + a.v_head_dim),
               spec::Dtype::bf16);
    if (!a.output_gate) return;
    kept.add("output gates", "gate output backward", c.tokens * c.heads * a.v_head_dim, spec::Dtype::bf16);
    kept.add("output before its gates", "gate output backward", c.tokens * c.heads * a.v_head_dim, spec::Dtype::bf16);
  }
  AttentionHeads cached_heads(const spec::AttentionShape& a, int) const override {
    return absorbed(a, a.heads);  // every GPU of the group keeps the latent
  }

 private:
  // q_b, kv_b, rotary embedding and the copies that assemble K and V: what `recompute.up_projections` does again.
  void up(OperationList& list, const LayerCall& c, const AttentionPart& s) const {
    query_up(list, s);
    const std::int64_t keys = s.prefill.keys;
    if (keys > 0) keys_up(list, s, keys);
    rotate(list, "rope", s.tokens, rotated_columns(c, s));
    if (keys > 0)
      list.moved("assemble k, v", MemoryKind::copy, keys * (kv_up(s) + s.a.qk_rope_head_dim), spec::Dtype::bf16,
                 keys * (s.q + s.o), spec::Dtype::bf16);
  }
};
}  // namespace

const AttentionInventory& latent_inventory() {
  static const LatentInventory inventory;
  return inventory;
}
}  // namespace moesim::compute
