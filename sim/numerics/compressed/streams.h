// Hyper-connections: a token's residual stream in several copies, read through one mixture and written back through
// two. Source: manifold-constrained hyper-connections, arXiv 2512.24880; DeepSeek-V4's inference code.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "numerics/compressed/tensors.h"
#include "numerics/pass/arithmetic.h"

namespace moesim::numerics {

/// How one part of a layer (attention or experts) reads and writes the streams of some tokens.
struct StreamMix {
  int streams = 0;
  std::vector<float> read;   // (tokens, streams): weights of the sum that the part gets
  std::vector<float> write;  // (tokens, streams): of the part's result in each stream
  std::vector<float> carry;  // (tokens, from, to): doubly stochastic, of the streams among themselves
};

/// x: (tokens, streams * hidden).  prefix: "layers.3.hc_attn".
StreamMix mix_streams(const Machine& machine, const CompressedShape& shape, const CompressedTensors& tensors,
                      const std::string& prefix, const Matrix& x);
/// input (tokens, hidden): the weighted sum of each token's streams.
void read_streams(const CompressedShape& shape, const StreamMix& mix, const Matrix& x, Matrix& input);
/// x = carry * x + write * result.
void write_streams(const CompressedShape& shape, const StreamMix& mix, const Matrix& result, Matrix& x);
/// What the final norm gets.
void gather_streams(const Machine& machine, const CompressedShape& shape, const CompressedTensors& tensors,
                    const Matrix& x, Matrix& out);
}  // namespace moesim::numerics
