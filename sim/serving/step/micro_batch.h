// Micro-batches: equal parts of a rank's batch that overlap with each other.
#pragma once
#include <vector>

#include "compute/layers/inventory.h"

namespace moesim::serving {

/// Appends part `micro` of `of` equal parts of a batch: sequences are dealt out, a single prompt is cut.
void add_micro_batch(const compute::Batch& batch, int micro, int of, std::vector<compute::Batch>& to);
}  // namespace moesim::serving
