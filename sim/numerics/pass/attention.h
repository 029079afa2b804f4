// Attention of one layer over a batch of sequences, each with its own cache: MHA, GQA, MLA in both forms, gated
// DeltaNet and Mamba-2.
#pragma once
#include <span>
#include <vector>

#include "numerics/pass/arithmetic.h"
#include "numerics/pass/rope.h"
#include "spec/layer_shape.h"

namespace moesim::numerics {

/// Keys and values of one sequence at one layer, a row a token.
/// MLA keeps the normed latent followed by the rotated shared key part, and no values; DSA the keys of its indexer too.
struct KvLayer {
  std::vector<float> keys, values, index_keys;
  // In their place where a layer keeps a state: the last inputs of its convolution (taps - 1, channels), oldest first,
  // and the state; empty before the first token.  Gated DeltaNet: (value heads, key_dim, value_dim); Mamba-2: (heads,
  // head_dim, state).
  std::vector<float> inputs, state;
  int tokens = 0;  // held; the next token's position
};
/// The keys that an indexer picks for each row of a segment: as many as it may, or all that the row may see.
struct IndexPicks {
  std::vector<int> positions;       // row after row, ascending within each
  std::vector<std::size_t> begins;  // of each row among them, and their end
  int rows() const { return begins.empty() ? 0 : int(begins.size()) - 1; }
  std::span<const int> row(int r) const {
    return std::span(positions).subspan(begins.at(std::size_t(r)),
                                        begins.at(std::size_t(r) + 1) - begins.at(std::size_t(r)));
  }
};

/// All layers of one sequence; the MTP modules' come after the model's.
struct KvCache {
  std::vector<KvLayer> layers;
  IndexPicks picks{};  // of the running pass's last layer that had an indexer
  int length() const { return layers.empty() ? 0 : layers.front().tokens; }
};

/// Consecutive rows of a batch that continue one sequence.
struct Segment {
  KvCache* cache = nullptr;
  int first_row = 0, rows = 0;
};

/// How MLA is computed: with keys and values expanded from the latent, or with the up-projections absorbed into query
/// and output so that it attends to the latent itself.  Automatic: absorbed for single tokens, expanded for more.
enum class MlaForm { automatic, expanded, absorbed };

/// The innermost part: softmax(q k^T * scale) v for all heads of some consecutive rows of one sequence.
struct AttentionCore {
  const float* q = nullptr;  // (rows, heads, qk_dim), q_stride floats a row, heads qk_dim apart
  const float* k = nullptr;  // (keys, kv_heads, qk_dim), k_stride floats a row, heads k_head_stride apart
  const float* v = nullptr;  // (keys, kv_heads, v_dim)
  std::int64_t q_stride = 0, k_stride = 0, k_head_stride = 0, v_stride = 0, v_head_stride = 0;
  int rows = 0, first_position = 0;  // row r stands at first_position + r and sees keys up to itself
  int heads = 0, kv_heads = 0, qk_dim = 0, v_dim = 0;
  float scale = 1;
  const float* sinks = nullptr;  // (heads)
  spec::KeysRead reads;
  const IndexPicks* picks = nullptr;  // nullptr: every key that `reads` leaves
  float* out = nullptr;               // (rows, heads, v_dim), out_stride floats a row
  std::int64_t out_stride = 0;
};
void attend(Threads& threads, const AttentionCore& core);

/// Runs one layer's attention: h (rows, hidden), already normed; appends to the caches; out (rows, hidden).
/// Positions go on from what the layer's caches hold.
void attention(const Machine& machine, const spec::Model& model, int layer, const LayerWeights& w, const Rope& rope,
               MlaForm form, std::span<const Segment> segments, const Matrix& h, Matrix& out);
}  // namespace moesim::numerics
