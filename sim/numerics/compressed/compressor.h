// Entries that each stand for several tokens: a weighted mean of their keys, column by column.
#pragma once
#include <string>
#include <vector>

#include "numerics/compressed/tensors.h"
#include "numerics/compressed/turn.h"
#include "numerics/pass/arithmetic.h"

namespace moesim::numerics {

/// What a compressor keeps of one sequence.
struct EntryCache {
  std::vector<float> entries;        // (complete ones, width), normed and turned
  std::vector<float> keys, weights;  // of the tokens that the next entry is made of, (tokens, columns)
  int tokens = 0;                    // seen
};

/// Takes `rows` tokens of h (rows, hidden) from `first` on, and completes the entries that they fill.  An entry that
/// overlaps takes the first half of the columns from the tokens of the one before, the second half from its own.
/// prefix: "layers.1.attn.compressor."; width: of an entry.
void compress(const Machine& machine, const CompressedShape& shape, const CompressedTensors& tensors,
              const std::string& prefix, int ratio, int width, const Turn& turn, const MatrixView& h,
              EntryCache& cache);
}  // namespace moesim::numerics
