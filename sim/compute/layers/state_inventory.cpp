#include "compute/layers/state_inventory.h"

#include <algorithm>

#include "core/ceil_div.h"

namespace moesim::compute {

StateScan scan_of(const AttentionWork& w) {
  StateScan s;
  s.sequences = w.sequences, s.tokens = w.queries;
  // Of the longest sequence its tokens in the cache are the mean: exact where all have as many.
  const std::int64_t cached = (w.keys - w.queries) / w.sequences;
  s.longest = std::clamp(w.longest - cached, ceil_div(w.queries, w.sequences), w.queries);
  s.resumed = cached > 0;
  return s;
}

void StateInventory::gated_norm(OperationList& list, const StateCore& core, std::int64_t tokens) {
  list.moved("gated norm", MemoryKind::norm, 2 * tokens * core.width, spec::Dtype::bf16, tokens * core.width,
             spec::Dtype::bf16, core.norm_weights, tokens);
}

void StateInventory::gated_norm_gradients(OperationList& list, const StateCore& core, std::int64_t tokens) {
  list.moved("gated norm backward", MemoryKind::norm_backward, 3 * tokens * core.width, spec::Dtype::bf16,
             2 * tokens * core.width, spec::Dtype::bf16, 2 * core.norm_weights, tokens);
}

void StateInventory::scan_gradients(OperationList& list, const StateCore& core, StateScan scan) {
  scan.backward = true;
  list.add_scan("scan backward", scan, 2 * core.scan_weights);
}

void StateInventory::convolution_gradients(OperationList& list, const StateCore& core, std::int64_t tokens) {
  // Inputs and gradients in, gradients out; the taps' own are sums of the same products.
  list.moved("convolution backward", MemoryKind::norm_backward, 2 * tokens * core.channels, spec::Dtype::bf16,
             tokens * core.channels, spec::Dtype::bf16, 2 * core.taps, tokens);
}

void StateInventory::core_gradients(OperationList& list, const StateCore& core, const StateScan& scan,
                                    std::int64_t tokens) {
  gated_norm_gradients(list, core, tokens);
  scan_gradients(list, core, scan);
  convolution_gradients(list, core, tokens);
}
}  // namespace moesim::compute
