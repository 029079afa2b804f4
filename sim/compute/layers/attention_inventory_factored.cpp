// Multi-matrix factorization attention (MFA, Step-3): one product to the queries' latent, the key and the value, which
// every GPU makes whole; the latent's norm; a product to the queries of the heads here; then as GQA on one KV head.  As
// vLLM runs it (step3_text.py).
#include "compute/layers/grouped_inventory.h"

namespace moesim::compute {
namespace {
class FactoredInventory final : public GroupedInventory {
 public:
  void projections(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    list.linear("q down, kv", s.tokens, down(s), s.hidden);
    list.norm("norm q latent", s.tokens, s.a.q_lora_rank);
    from_latent(list, c, s);
  }
  AttentionHeads prompt_heads(const AttentionPart& s) const override {
    return {spec::AttentionKind::gqa, s.heads, s.kv_heads, s.a.head_dim, s.a.v_head_dim, false};  // by its kernels
  }
  void decode_core(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const Precisions& p = c.options.precision;
    list.add("attention decode", AttentionDecode{prompt_heads(s), s.decode, p.attention, p.kv_cache});
  }

  void recompute(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    if (!c.options.recompute.up_projections) return;
    if (!c.options.recompute.norms) list.norm("norm q latent", s.tokens, s.a.q_lora_rank);
    from_latent(list, c, s);
  }
  void heads_backward(OperationList& list, const LayerCall&, const AttentionPart& s) const override {
    list.cast("cast dq", s.tokens * s.q);
    list.linear("q up dgrad", s.tokens, s.a.q_lora_rank, s.q);
    list.cast_transpose("cast dq for weights", s.tokens * s.q);
    list.cast_transpose("cast q latent for weights", s.tokens * s.a.q_lora_rank);
    list.norm_backward("norm q latent backward", s.tokens, s.a.q_lora_rank);
  }
  void projections_backward(OperationList& list, const LayerCall&, const AttentionPart& s) const override {
    list.cast("cast projections", s.tokens * down(s));
    list.linear("q down, kv dgrad", s.tokens, s.hidden, down(s));
    list.cast_transpose("cast projections for weights", s.tokens * down(s));
  }
  void weight_gradients(OperationList& list, const LayerCall&, const AttentionPart& s) const override {
    list.weight("q up wgrad", s.tokens, s.q, s.a.q_lora_rank);
    list.weight(input_needed_by(s.a), s.tokens, down(s), s.hidden);
  }

  std::string_view input_needed_by(const spec::AttentionShape&) const override { return "q down, kv wgrad"; }
  void keep(Kept& kept, const KeptCall& c) const override {
    const spec::AttentionShape& a = c.model.attention;
    kept.add("q latent", "norm q latent backward", c.tokens * a.q_lora_rank, spec::Dtype::bf16);
    if (!c.options.recompute.norms && !c.options.recompute.up_projections)
      kept.add("normed q latent", "q up wgrad", c.tokens * a.q_lora_rank, kept.linear);
    if (!c.options.recompute.up_projections)
      kept.add("queries", "attention backward", c.tokens * c.heads * a.head_dim, spec::Dtype::bf16);
    kept.add("k, v", "attention backward", c.tokens * (a.head_dim + a.v_head_dim), spec::Dtype::bf16);
  }
  AttentionHeads cached_heads(const spec::AttentionShape& a, int tensor) const override {
    AttentionHeads out = GroupedInventory::cached_heads(a, tensor);
    out.kind = spec::AttentionKind::gqa;
    return out;
  }

 private:
  /// From the normed latent to the queries of the heads here.
  void from_latent(OperationList& list, const LayerCall& c, const AttentionPart& s) const {
    list.cast("cast q latent", s.tokens * s.a.q_lora_rank);
    list.linear("q up", s.tokens, s.q, s.a.q_lora_rank);
    rotate(list, "rope", s.tokens, rotated_columns(c, s));
  }
  /// Columns of the queries' latent, the key and the value.
  static std::int64_t down(const AttentionPart& s) { return s.a.q_lora_rank + s.k() + s.v(); }
};
}  // namespace

const AttentionInventory& factored_inventory() {
  static const FactoredInventory inventory;
  return inventory;
}
}  // namespace moesim::compute
