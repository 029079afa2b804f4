// DSA: MLA over the keys that an indexer picks for each query; an index key is cached beside the latent.
// Source: DeepSeek-V3.2-Exp report, section 2.1.
#include <algorithm>

#include "core/ceil_div.h"
#include "spec/attention_rules.h"
#include "spec/scale_steps.h"

namespace moesim::spec {
namespace {
/// DeepSeek-V3.2's indexer, where DSA stands in for another kind.
const IndexerShape kUsualIndexer{64, 128, 2048, false, {}};

class SparseRules final : public AttentionRules {
 public:
  void check(const AttentionShape& a, const FieldChecks& checks) const override {
    latent_.check(a, checks);
    if (!a.indexer) checks.fail("attention.indexer", "is needed for {}", name_of(a.kind));
    if (a.output_gate) checks.fail("attention.output_gate", "has no kernels for {}", name_of(a.kind));
    checks.positive("attention.indexer.heads", a.indexer->heads);
    checks.positive("attention.indexer.head_dim", a.indexer->head_dim);
    checks.positive("attention.indexer.top_k", a.indexer->top_k);
    if (a.q_lora_rank <= 0)
      checks.fail("attention.q_lora_rank", "must be more than 0: the indexer reads the query latent, got {}",
                  a.q_lora_rank);
    if (a.indexer->head_dim < a.qk_rope_head_dim)
      checks.fail("attention.indexer.head_dim", "must hold the {} columns that RoPE turns, got {}", a.qk_rope_head_dim,
                  a.indexer->head_dim);
  }

  std::vector<AttentionWeight> weights(const Model& m) const override { return latent_.weights(m); }
  // Scores are weighed in 16 bits or more: no method quantises that map (DeepSeek's model.py keeps it in FP32).
  std::vector<AttentionWeight> indexer_weights(const Model& m) const override {
    const IndexerShape& x = *m.attention.indexer;
    return {{std::int64_t{x.heads} * x.head_dim, m.attention.q_lora_rank},
            {x.head_dim, m.hidden},
            {1, 2 * std::int64_t{x.head_dim}, false},
            {x.heads, m.hidden, false}};
  }
  RotatedColumns rotated_columns(const Model& m) const override { return latent_.rotated_columns(m); }

  Bytes token_bytes(const AttentionShape& a, CacheFormat format) const override {
    return latent_.token_bytes(a, format);
  }
  // FP8 with an FP32 scale for each 128 of it, as DeepSeek's own code stores it.
  Bytes index_key_bytes(const AttentionShape& a, EntryKeys) const override {
    return {a.indexer->head_dim + 4 * ceil_div(a.indexer->head_dim, 128)};
  }
  int latent_width(const AttentionShape& a) const override { return latent_.latent_width(a); }
  std::int64_t decode_width(const AttentionShape& a) const override { return latent_.decode_width(a); }
  // What fits the picks is a prompt of plain MLA; longer ones attend to the latent itself.
  std::int64_t prompt_width(const AttentionShape& a, std::int64_t length) const override {
    return length > a.indexer->top_k ? decode_width(a) : latent_.prompt_width(a, length);
  }
  std::int64_t training_width(const AttentionShape& a) const override { return decode_width(a); }

  AttentionShape instead_of(AttentionShape own) const override {
    if (own.kind == AttentionKind::dsa) return own;
    own = latent_.instead_of(own);
    own.kind = AttentionKind::dsa;
    own.indexer = kUsualIndexer;
    return own;
  }

  void scale(AttentionShape& a, const Scale& s) const override {
    latent_.scale(a, s);
    IndexerShape& x = *a.indexer;
    const int heads = x.heads;
    x.heads = smaller("index_heads", s.index_heads, x.heads, s.factor);
    const double rest = std::max(1.0, s.factor * double(x.heads) / double(heads));
    x.head_dim = smaller("index_head_dim", s.index_head_dim, x.head_dim, rest, 2, a.qk_rope_head_dim);
  }
  void fit_laptop(const AttentionShape& a, Scale& s) const override {
    latent_.fit_laptop(a, s);
    s.index_heads = std::min(4, a.indexer->heads);
    s.index_head_dim = std::min(16, a.indexer->head_dim);
  }

 private:
  const AttentionRules& latent_ = latent_rules();
};
}  // namespace

const AttentionRules& sparse_rules() {
  static const SparseRules rules;
  return rules;
}
}  // namespace moesim::spec
