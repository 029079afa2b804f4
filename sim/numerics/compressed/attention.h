// One layer's attention: one key, which is the value too, for all heads; over the last tokens and over entries.
#pragma once
#include <vector>

#include "numerics/compressed/compressor.h"

namespace moesim::numerics {

/// One layer of one sequence.
struct CompressedLayerCache {
  std::vector<float> window;  // (tokens held, head_dim): the last ones, normed and turned
  EntryCache entries, index;  // of attention and of its indexer
  int tokens = 0;             // seen; the next one's position
};

/// h (rows, hidden), already normed: the next tokens of the sequence; out (rows, hidden).  picks: the entries that each
/// row's indexer chose, rising; nullptr if nobody asks.
void compressed_attention(const Machine& machine, const CompressedShape& shape, const CompressedTensors& tensors,
                          int layer, const Turn& turn, const Matrix& h, CompressedLayerCache& cache, Matrix& out,
                          std::vector<std::vector<int>>* picks);
}  // namespace moesim::numerics
