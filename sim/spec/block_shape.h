// Block-sparse attention (MiniMax-M3): GQA over the blocks of keys that an indexer picks for each KV head, by the best
// score in each block.  Source: config.json of MiniMaxAI/MiniMax-M3 (sparse_attention_config), vLLM's minimax_m3.py.
#pragma once
#include <cstdint>
#include <vector>

namespace moesim::spec {

struct BlockShape {
  int heads = 0;            // query heads of the indexer; they share one key
  int head_dim = 0;         // of each, and of the key
  int block = 0;            // keys that are picked together
  int blocks = 0;           // picked, the newest among them
  std::vector<int> layers;  // those that pick, ascending; the others attend to every key

  std::int64_t picks() const { return std::int64_t{block} * blocks; }

  static void fields(auto& f, auto& p) {
    f.required("heads", p.heads, "query heads of the indexer");
    f.required("head_dim", p.head_dim, "width of its heads and of the key they share");
    f.required("block", p.block, "keys that are picked together");
    f.required("blocks", p.blocks, "blocks that a query attends to");
    f.required("layers", p.layers, "the layers that pick, ascending; the others attend to every key");
  }
};
}  // namespace moesim::spec
