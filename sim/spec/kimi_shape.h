// Layers of Kimi Delta Attention (KDA): a delta rule like gated DeltaNet's whose state decays by its own rate in each
// column of a key head, with as many value heads as key heads.  Source: Kimi Linear, arXiv 2510.26692, section 3; the
// publisher's modeling_kimi.py.
#pragma once
#include <cstdint>
#include <vector>

namespace moesim::spec {

struct KimiShape {
  int heads = 0;           // of queries, keys and values alike
  int dim = 0;             // of each
  int convolution = 0;     // tokens that the short convolutions over queries, keys and values see, their own among them
  bool full_gate = false;  // the output's gates in one product (K3); false: through `dim` columns, as the decays are
  std::vector<int> layers;  // those that have it, ascending; the others attend to keys and values

  /// Columns of the queries; of keys, values, decays and gates as many.
  std::int64_t width() const { return std::int64_t{heads} * dim; }
  std::int64_t channels() const { return 3 * width(); }
  /// Numbers of the matrices of one request.
  std::int64_t state() const { return width() * dim; }

  static void fields(auto& f, auto& p) {
    f("heads", p.heads, "heads of queries, keys and values, each with a state of its own");
    f("dim", p.dim, "width of a head");
    f("convolution", p.convolution, "tokens that the short convolutions see");
    f("full_gate", p.full_gate, "what gates the output comes from one product; false: through `dim` columns");
    f("layers", p.layers, "the layers of KDA, ascending; the others attend");
  }
};
}  // namespace moesim::spec
