// Block-sparse GQA: an indexer scores keys, the best score of each block of them chooses blocks for each KV head, and
// its query heads attend to those.  As vLLM runs it (minimax_m3.py): one product for queries, keys, values and the
// indexer's, scores and choice, then attention by blocks; what else there is, is GQA's.
#include <algorithm>

#include "compute/layers/grouped_inventory.h"

namespace moesim::compute {
namespace {
/// The indexer of one GPU: its heads go with KV heads, its key is every GPU's.
struct BlockPart {
  const spec::BlockShape& b;
  int heads;
  BlockPart(const spec::AttentionShape& a, int tensor)
      : b(*a.blocks), heads(tensor > b.heads ? 1 : share_of(b.heads, tensor, "heads of the indexer of blocks")) {}
  /// Columns of its queries and its key.
  std::int64_t width() const { return std::int64_t{heads + 1} * b.head_dim; }
};

class BlockInventory final : public GroupedInventory {
 public:
  void projections(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const BlockPart p(s.a, c.options.tensor);
    const std::int64_t width = projected(s) + p.width(),
                       normed = s.tokens * (p.width() + (s.layer.head_norm == spec::HeadNorm::none ? 0 : s.q + s.k()));
    list.linear("qkv, index", s.tokens, width, s.hidden, s.a.qkv_bias ? double(projected(s)) : 0);
    const double norms = 2.0 * p.b.head_dim + head_norms(s);
    const std::int64_t rotated =
        rotated_columns(c, s) + (s.layer.rope.active ? std::int64_t(double(p.width()) * c.model.rope.partial) : 0);
    // Serving, one kernel normalises, turns and stores the index key (vLLM); the columns it turns are among the normed.
    const std::int64_t stored = c.options.training ? 0 : s.tokens * p.b.head_dim;
    list.moved(c.options.training ? "norm q, k, index" : "norm, rope", MemoryKind::norm, normed, spec::Dtype::bf16,
               normed + stored, spec::Dtype::bf16, norms, s.tokens);
    if (c.options.training) rotate(list, "rope", s.tokens, rotated);
  }

  // Short prompts take the same path: every block is picked.
  void prompt_core(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    choose(list, c, s, c.batch.prefill, false);
    list.add("attention", SparsePrefill{prompt_heads(s), s.prefill, picks(s),
                                        c.options.training ? spec::Dtype::bf16 : c.options.precision.kv_cache});
  }
  void decode_core(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const Precisions& p = c.options.precision;
    choose(list, c, s, c.batch.decode, true);
    list.add("attention decode", AttentionDecode{prompt_heads(s), s.decode, p.attention, p.kv_cache, picks(s)});
  }
  // assumed: the indexer learns from the picks alone and its inputs' gradients stop at it, as DSA's
  void heads_backward(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const BlockPart p(s.a, c.options.tensor);
    list.add("block scores backward", IndexScores{2 * p.heads, p.b.head_dim, s.prefill, false, 1, p.b.block});
    list.moved("norm index backward", MemoryKind::norm_backward, 2 * s.tokens * p.width(), spec::Dtype::bf16,
               s.tokens * p.width(), spec::Dtype::bf16, 4.0 * p.b.head_dim, s.tokens);
    GroupedInventory::heads_backward(list, c, s);
  }
  void weight_gradients(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    GroupedInventory::weight_gradients(list, c, s);
    list.weight("index wgrad", s.tokens, BlockPart(s.a, c.options.tensor).width(), s.hidden);
  }

  void keep(Kept& kept, const KeptCall& c) const override {
    GroupedInventory::keep(kept, c);
    kept.add("index q, k", "block scores backward", c.tokens * BlockPart(c.model.attention, c.options.tensor).width(),
             spec::Dtype::bf16);
  }

 private:
  static int picks(const AttentionPart& s) { return int(s.a.blocks->picks()); }
  static void choose(OperationList& list, const LayerCall& c, const AttentionPart& s, const AttentionWork& all,
                     bool paged) {
    const BlockPart p(s.a, c.options.tensor);
    list.add("block scores, choice", IndexScores{p.heads, p.b.head_dim, all, paged, 1, p.b.block});
  }
};
}  // namespace

const AttentionInventory& block_inventory() {
  static const BlockInventory inventory;
  return inventory;
}
}  // namespace moesim::compute
