// Micro-batches: equal parts of a rank's batch that overlap with each other.
#pragma once
#include "compute/inventory.h"

namespace moesim {

/// Part `micro` of `of` equal parts of a batch: sequences are dealt out, a single prompt is cut.
Batch micro_batch(const Batch& batch, int micro, int of);
}  // namespace moesim
