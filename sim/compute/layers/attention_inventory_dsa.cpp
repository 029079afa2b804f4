// DSA: MLA over the keys that an indexer picks.  Kernels as serving systems run them: SGLang's nsa_backend, DeepGEMM's
// fp8_mqa_logits and its paged form, FlashMLA's sparse forward, an absorbed MLA decode over gathered pages.
#include <algorithm>

#include "compute/layers/index_kernels.h"
#include "compute/layers/latent_steps.h"

namespace moesim::compute {
namespace {
const spec::IndexerShape& indexer_of(const AttentionPart& s) { return *s.a.indexer; }
bool has_indexer(const AttentionPart& s) { return s.layer.index == spec::IndexUse::own; }

/// Keys that are expanded to heads at once (SGLang, chunks of a cached prefix: 128 x 1024 tokens).
constexpr std::int64_t kMostExpanded = 128 * 1024;

/// Prompts that an indexer has nothing to choose from are plain MLA on expanded heads, where there is room for these;
/// training takes one path always.
bool is_dense(const LayerCall& c, const AttentionPart& s) {
  const AttentionWork& all = c.batch.prefill;
  return !c.options.training && all.longest <= indexer_of(s).top_k && all.keys <= kMostExpanded;
}
bool is_sparse_prompt(const LayerCall& c, const AttentionPart& s) { return s.prefill.queries > 0 && !is_dense(c, s); }

/// Keys of all tokens; queries and their heads' weights of those that are scored.  Every GPU of a tensor-parallel group
/// does all of it.
void project_index(OperationList& list, const LayerCall& c, const AttentionPart& s) {
  const spec::IndexerShape& x = indexer_of(s);
  const std::int64_t scored = (is_sparse_prompt(c, s) ? s.prefill.queries : 0) + s.decode.queries;
  const std::int64_t width = std::int64_t{x.heads} * x.head_dim;
  list.linear("index q", scored, width, s.a.q_lora_rank);
  list.linear("index k", s.tokens, x.head_dim, s.hidden);
  list.moved("norm index k", MemoryKind::norm, s.tokens * x.head_dim, spec::Dtype::bf16, s.tokens * x.head_dim,
             spec::Dtype::bf16, 2.0 * x.head_dim, s.tokens);
  if (scored > 0) list.add("index weights", Gemm{.m = scored, .n = x.heads, .k = s.hidden});
  rotate(list, "index rope", 1, (scored * x.heads + s.tokens) * s.a.qk_rope_head_dim);
  const std::int64_t elements = scored * width + s.tokens * x.head_dim;
  list.moved("cast index q, k", MemoryKind::cast, elements, spec::Dtype::bf16, elements, spec::Dtype::fp8);
  if (!c.options.training)
    list.moved("store index k", MemoryKind::copy, s.tokens * x.head_dim, spec::Dtype::fp8, s.tokens * x.head_dim,
               spec::Dtype::fp8);
}

void choose(OperationList& list, const AttentionPart& s, const AttentionWork& all, const AttentionWork& picked,
            bool paged) {
  const spec::IndexerShape& x = indexer_of(s);
  list.add("index scores", IndexScores{x.heads, x.head_dim, all, paged});
  list.add("index top-k", index_top_k(x.top_k, all, picked, paged));
}

class SparseInventory final : public AttentionInventory {
 public:
  void projections(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    latents(list, s);
    query_up(list, s);
    const bool expands = s.prefill.queries > 0 && is_dense(c, s);
    const std::int64_t keys = c.batch.prefill.keys;
    if (expands) keys_up(list, s, keys);
    rotate(list, "rope", s.tokens, rotated_columns(c, s));
    if (expands)
      list.moved("assemble k, v", MemoryKind::copy, keys * (kv_up(s) + s.a.qk_rope_head_dim), spec::Dtype::bf16,
                 keys * (s.q + s.o), spec::Dtype::bf16);
    if (has_indexer(s)) project_index(list, c, s);
  }

  std::int64_t cached_width(const AttentionPart& s) const override { return kv_down(s); }
  AttentionHeads prompt_heads(const AttentionPart& s) const override { return absorbed(s.a, s.heads); }

  void prompt_core(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const spec::Dtype dtype = c.options.precision.attention;
    if (is_dense(c, s)) {
      const AttentionHeads expanded{spec::AttentionKind::mla, s.heads, s.heads, s.a.head_dim, s.a.v_head_dim, false};
      return list.add("attention", AttentionPrefill{expanded, c.batch.prefill, dtype});
    }
    if (has_indexer(s)) choose(list, s, c.batch.prefill, s.prefill, false);
    absorb_queries(list, s, s.prefill.queries);
    list.add("attention", SparsePrefill{absorbed(s.a, s.heads), s.prefill, indexer_of(s).top_k,
                                        c.options.training ? spec::Dtype::bf16 : c.options.precision.kv_cache});
    values_up(list, s, s.prefill.queries);
  }

  void decode_core(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const Precisions& p = c.options.precision;
    if (has_indexer(s)) choose(list, s, c.batch.decode, s.decode, true);
    absorb_queries(list, s, s.decode.queries);
    list.add("attention decode",
             AttentionDecode{absorbed(s.a, s.heads), s.decode, p.attention, p.kv_cache, indexer_of(s).top_k});
    values_up(list, s, s.decode.queries);
  }

  void recompute(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const Recompute& again = c.options.recompute;
    if (again.norms || again.up_projections) latent_norms(list, s);
    if (!again.up_projections) return;
    query_up(list, s);
    rotate(list, "rope", s.tokens, rotated_columns(c, s));
    absorb_queries(list, s, s.tokens);
  }
  void core_backward(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    list.add("v up dgrad", Gemm{.m = s.tokens, .n = s.a.kv_lora_rank, .k = s.a.v_head_dim, .batch = s.heads});
    AttentionInventory::core_backward(list, c, s);
  }
  std::int64_t rotated_columns(const LayerCall&, const AttentionPart& s) const override {
    return s.layer.rope.active ? std::int64_t{s.heads + 1} * s.a.qk_rope_head_dim : 0;
  }
  void heads_backward(OperationList& list, const LayerCall&, const AttentionPart& s) const override {
    list.add("absorb q dgrad", Gemm{.m = s.tokens, .n = s.a.qk_nope_head_dim, .k = s.a.kv_lora_rank, .batch = s.heads});
    list.cast("cast dq", s.tokens * s.q);
    list.linear("q_b dgrad", s.tokens, s.a.q_lora_rank, s.q);
    list.cast_transpose("cast dq for weights", s.tokens * s.q);
    list.cast_transpose("cast q latent for weights", s.tokens * s.a.q_lora_rank);
    if (has_indexer(s)) index_backward(list, s);
    list.norm_backward("norm q latent backward", s.tokens, s.a.q_lora_rank);
    list.norm_backward("norm kv latent backward", s.tokens, s.a.kv_lora_rank);
  }
  void projections_backward(OperationList& list, const LayerCall&, const AttentionPart& s) const override {
    list.cast("cast projections", s.tokens * (kv_down(s) + query_down(s)));
    list.linear("kv_a dgrad", s.tokens, s.hidden, kv_down(s));
    list.linear("q_a dgrad", s.tokens, s.hidden, query_down(s));
    list.add_rows("add dgrads", s.tokens * s.hidden);
    list.cast_transpose("cast projections for weights", s.tokens * (kv_down(s) + query_down(s)));
  }
  void weight_gradients(OperationList& list, const LayerCall&, const AttentionPart& s) const override {
    list.weight("kv_b wgrad", s.tokens, kv_up(s), s.a.kv_lora_rank);
    list.weight("q_b wgrad", s.tokens, s.q, s.a.q_lora_rank);
    list.weight(input_needed_by(s.a), s.tokens, query_down(s) + kv_down(s), s.hidden, 2);
    if (!has_indexer(s)) return;
    const spec::IndexerShape& x = indexer_of(s);
    list.weight("index q wgrad", s.tokens, std::int64_t{x.heads} * x.head_dim, s.a.q_lora_rank);
    list.weight("index k, weights wgrad", s.tokens, x.head_dim + x.heads, s.hidden);
  }

  Bytes weights_beside(const spec::Model& m, int layer, const LayerOptions& o) const override {
    if (spec::layer_shape(m, layer).attention.index != spec::IndexUse::own) return {};
    const spec::IndexerShape& x = *m.attention.indexer;
    const spec::Dtype dtype = o.precision.projection_weights.value_or(o.precision.of_projections());
    return weight_bytes(std::int64_t{x.heads} * x.head_dim, m.attention.q_lora_rank, dtype) +
           weight_bytes(x.heads, m.hidden, spec::Dtype::bf16);
  }

  std::string_view input_needed_by(const spec::AttentionShape&) const override { return "q_a, kv_a wgrad"; }
  void keep(Kept& kept, const KeptCall& c) const override {
    const spec::AttentionShape& a = c.model.attention;
    const Recompute& again = c.options.recompute;
    const std::int64_t rank = a.kv_lora_rank;
    kept.add("latents", "norm kv latent backward", c.tokens * (a.q_lora_rank + rank + a.qk_rope_head_dim),
             spec::Dtype::bf16);
    if (!again.norms) kept.add("normed latents", "kv_b wgrad", c.tokens * (a.q_lora_rank + rank), kept.linear);
    if (!again.up_projections)
      kept.add("q in the latent space", "attention backward", c.tokens * c.heads * (rank + a.qk_rope_head_dim),
               spec::Dtype::bf16);
    kept.add("output in the latent space", "attention backward", c.tokens * c.heads * rank, spec::Dtype::bf16);
    kept.add("picks", "attention backward", c.tokens * a.indexer->top_k, spec::Dtype::fp32);
    if (spec::layer_shape(c.model, c.layer).attention.index == spec::IndexUse::own)
      kept.add("index q, k", "index scores backward", c.tokens * (a.indexer->heads + 1) * a.indexer->head_dim,
               spec::Dtype::fp8);
  }
  AttentionHeads cached_heads(const spec::AttentionShape& a, int) const override {
    return absorbed(a, a.heads);  // every GPU of the group keeps the latent
  }

 private:
  // The indexer learns from the picks alone, and its inputs' gradients stop at it: products of weights, none of inputs
  // (DeepSeek-V3.2-Exp report, section 2.1.1).
  static void index_backward(OperationList& list, const AttentionPart& s) {
    const spec::IndexerShape& x = indexer_of(s);
    index_target(list, absorbed(s.a, s.heads), s.prefill, x.top_k);
    list.add("index scores backward", IndexScores{2 * x.heads, x.head_dim, s.prefill, false});
    list.moved("norm index k backward", MemoryKind::norm_backward, 2 * s.tokens * x.head_dim, spec::Dtype::bf16,
               s.tokens * x.head_dim, spec::Dtype::bf16, 4.0 * x.head_dim, s.tokens);
  }
};
}  // namespace

const AttentionInventory& sparse_inventory() {
  static const SparseInventory inventory;
  return inventory;
}
}  // namespace moesim::compute
