// Micro-batches: equal parts of a rank's batch that overlap with each other.
#pragma once
#include "compute/layers/inventory.h"

namespace moesim::serving {

/// Part `micro` of `of` equal parts of a batch: sequences are dealt out, a single prompt is cut.
/// out: as made by default or by a call before this.
void set_micro_batch(const compute::Batch& batch, int micro, int of, compute::Batch& out);
}  // namespace moesim::serving
