// Which ranks may be the slowest in attention.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "compute/layers/inventory.h"

namespace moesim::serving {

/// Ranks of which one takes longest over its attention, ascending, into `out`.  A rank that only decodes is left out if
/// another one decodes as many tokens, over as many keys or more, and has as long a sequence or a longer one: its time
/// grows with each of these.
void may_be_slowest(std::span<const compute::Batch> ranks, bool windowed, std::vector<std::size_t>& out);
}  // namespace moesim::serving
