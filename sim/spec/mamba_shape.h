// Layers of Mamba-2: a state a head that decays and takes in each token, whatever the length of the text.
// Source: Dao and Gu 2024, "Transformers are SSMs", arXiv 2405.21060; NVIDIA's modeling_nemotron_h.py.
#pragma once
#include <cstdint>
#include <vector>

namespace moesim::spec {

struct MambaShape {
  int heads = 0, head_dim = 0;
  int groups = 0;       // heads that share what is written and what is asked
  int state = 0;        // columns of a head's state
  int convolution = 0;  // tokens that the short convolution sees, its own among them
  bool convolution_bias = true;
  std::vector<int> layers;  // those that have it, ascending

  std::int64_t inner() const { return std::int64_t{heads} * head_dim; }
  /// Of the convolution: what is taken in, how it is written, how it is asked.
  std::int64_t channels() const { return inner() + 2 * std::int64_t{groups} * state; }
  /// Of the input projection: gates of the output, the convolution's channels, a step a head.
  std::int64_t projected() const { return inner() + channels() + heads; }
  std::int64_t states() const { return inner() * state; }

  static void fields(auto& f, auto& p) {
    f("heads", p.heads, "heads, each with a state of its own");
    f("head_dim", p.head_dim, "width of a head");
    f("groups", p.groups, "groups of heads that share B and C");
    f("state", p.state, "columns of a head's state");
    f("convolution", p.convolution, "tokens that the short convolution sees");
    f("convolution_bias", p.convolution_bias, "the convolution has a bias");
    f("layers", p.layers, "the layers of Mamba-2, ascending");
  }
};
}  // namespace moesim::spec
