// Which ranks may be the slowest in attention.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "compute/layers/inventory.h"

namespace moesim::serving {

class SlowestRanks {
 public:
  /// Ranks of which one takes longest over its attention, ascending, into `out`.  A rank that only decodes is left out
  /// if another one decodes as many tokens, over as many keys or more, and has as long a sequence or a longer one: its
  /// time grows with each of these.  Quick where ranks are much as at the last call.
  void find(std::span<const compute::Batch> ranks, bool windowed, std::vector<std::size_t>& out);

 private:
  std::vector<std::uint32_t> order_;  // ranks, most tokens first, of as many most keys
  std::vector<char> chosen_;
};
}  // namespace moesim::serving
