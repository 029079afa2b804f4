// The lightning indexer of DeepSeek Sparse Attention (DSA): it picks the keys that a query's MLA attends to.
// Source: DeepSeek-V3.2-Exp report, section 2.1; config.json of DeepSeek-V3.2, GLM-5 and GLM-5.2.
#pragma once
#include <vector>

namespace moesim::spec {

struct IndexerShape {
  int heads = 0;                   // index_n_heads, of queries; they share one key
  int head_dim = 0;                // index_head_dim; RoPE turns its first qk_rope_head_dim columns
  int top_k = 0;                   // index_topk: keys a query attends to, all if there are no more
  bool interleaved_rope = false;   // pairs are neighbours (GLM-5); false: half of the turning columns apart (DeepSeek)
  std::vector<int> shared_layers;  // without an indexer: they take what the nearest one before picked (GLM-5.2)

  static void fields(auto& f, auto& p) {
    f.required("heads", p.heads, "query heads of the indexer");
    f.required("head_dim", p.head_dim, "width of its heads and of the key they share");
    f.required("top_k", p.top_k, "keys that a query attends to");
    f("interleaved_rope", p.interleaved_rope, "RoPE turns neighbouring columns of its heads");
    f("shared_layers", p.shared_layers, "layers that take the picks of the nearest indexer before, ascending");
  }
};
}  // namespace moesim::spec
