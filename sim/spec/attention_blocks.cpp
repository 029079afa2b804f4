// Block-sparse GQA (MiniMax-M3): keys and values of KV heads in blocks, of which each query reads those that an indexer
// picks by their best score; an index key is cached beside them.  Source: vLLM's minimax_m3.py.
#include "spec/attention_rules.h"
#include "spec/check_model.h"
#include "spec/scale_steps.h"

namespace moesim::spec {
namespace {
class BlockRules final : public AttentionRules {
 public:
  void check(const AttentionShape& a, const FieldChecks& checks) const override {
    if (!a.blocks) checks.fail("attention.blocks", "is needed for {}", name_of(a.kind));
    if (a.sliding_window > 0)
      checks.fail("attention.sliding_window", "has no kernels beside blocks that an indexer picks, got {}",
                  a.sliding_window);
  }

  std::vector<AttentionWeight> weights(const Model& m) const override { return heads_.weights(m); }
  // Queries and key from the layer's input in the product that makes queries, keys and values; a norm for each.
  std::vector<AttentionWeight> indexer_weights(const Model& m) const override {
    const BlockShape& b = *m.attention.blocks;
    return {{std::int64_t{b.heads} * b.head_dim, m.hidden},
            {b.head_dim, m.hidden},
            {1, 2 * std::int64_t{b.head_dim}, false}};
  }
  RotatedColumns rotated_columns(const Model& m) const override { return heads_.rotated_columns(m); }

  Bytes token_bytes(const AttentionShape& a, CacheFormat format) const override {
    return heads_.token_bytes(a, format);
  }
  // assumed: BF16, whatever the cache beside it is in: scores are products in BF16 (vLLM, msa_indexer)
  Bytes index_key_bytes(const AttentionShape& a, EntryKeys) const override {
    return {2 * std::int64_t{a.blocks->head_dim}};
  }
  int latent_width(const AttentionShape&) const override { return 0; }
  std::int64_t decode_width(const AttentionShape& a) const override { return heads_.decode_width(a); }
  AttentionShape instead_of(AttentionShape own) const override { return own; }

  void scale(AttentionShape& a, const Scale& s) const override { heads_.scale(a, s); }
  void fit_laptop(const AttentionShape& a, Scale& s) const override { heads_.fit_laptop(a, s); }

 private:
  const AttentionRules& heads_ = grouped_rules();
};
}  // namespace

const AttentionRules& block_rules() {
  static const BlockRules rules;
  return rules;
}

void check_blocks(const Model& m, const FieldChecks& checks) {
  const BlockShape& b = *m.attention.blocks;
  if (m.attention.kind != AttentionKind::block_sparse)
    checks.fail("attention.blocks", "goes with attention of kind {}, got {}", name_of(AttentionKind::block_sparse),
                name_of(m.attention.kind));
  checks.count("attention.blocks.heads", b.heads, kMostWidth);
  checks.count("attention.blocks.head_dim", b.head_dim, kMostWidth / b.heads);
  checks.count("attention.blocks.block", b.block, kMostWidth);
  checks.count("attention.blocks.blocks", b.blocks, kMostWidth);
  if (m.max_positions > 0 && b.picks() > m.max_positions)
    checks.fail("attention.blocks.blocks", "pick {} keys of the {} positions there are", b.picks(), m.max_positions);
  if (b.layers.empty()) checks.fail("attention.blocks.layers", "names no layer; leave `blocks` out");
  checks.ascending("attention.blocks.layers", b.layers, m.layers);
}
}  // namespace moesim::spec
