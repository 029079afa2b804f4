// Layers of gated DeltaNet: linear attention whose past is one matrix a value head, whatever the length of the text.
// Source: Yang et al. 2024, "Gated Delta Networks", arXiv 2412.06464; transformers' modeling_qwen3_next.py.
#pragma once
#include <cstdint>
#include <vector>

namespace moesim::spec {

struct DeltaShape {
  int key_heads = 0, value_heads = 0;  // a key head serves as many value heads as there are to one
  int key_dim = 0, value_dim = 0;
  int convolution = 0;      // tokens that the short convolution over queries, keys and values sees, its own among them
  std::vector<int> layers;  // those that have it, ascending; the others attend to keys and values

  std::int64_t keys() const { return std::int64_t{key_heads} * key_dim; }
  std::int64_t values() const { return std::int64_t{value_heads} * value_dim; }
  /// Of the convolution: queries, keys, values.
  std::int64_t channels() const { return 2 * keys() + values(); }
  /// Numbers of the matrices of one request.
  std::int64_t state() const { return std::int64_t{value_heads} * key_dim * value_dim; }

  static void fields(auto& f, auto& p) {
    f("key_heads", p.key_heads, "heads of queries and keys");
    f("value_heads", p.value_heads, "heads of values, each with a state of its own");
    f("key_dim", p.key_dim, "width of a query or key head");
    f("value_dim", p.value_dim, "width of a value head");
    f("convolution", p.convolution, "tokens that the short convolution sees");
    f("layers", p.layers, "the layers of gated DeltaNet, ascending; the others attend");
  }
};
}  // namespace moesim::spec
