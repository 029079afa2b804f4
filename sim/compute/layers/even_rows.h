// How many routed rows a GPU computes when routing is even: one count for memory, kernels, exchanges and `explain`.
#pragma once
#include <algorithm>
#include <cstdint>

#include "compute/layers/inventory.h"
#include "spec/model.h"

namespace moesim::compute {

/// Of `tokens`, those of a tensor group, that one of its GPUs feeds into the exchange: its part of the sequence.
inline std::int64_t fed_tokens(std::int64_t tokens, const LayerOptions& options) {
  return tokens / std::max(1, options.tensor);
}

/// Rows of one MoE layer that a GPU computes: as many as it feeds in, and as many again for each other GPU that shares
/// its experts' widths, since each of those needs the rows of all of them.
inline std::int64_t even_rows(const spec::Model& model, std::int64_t tokens, const LayerOptions& options) {
  return tokens * model.moe->rows_a_token() * options.expert_tensor / std::max(1, options.tensor);
}
}  // namespace moesim::compute
