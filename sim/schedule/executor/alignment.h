// Which blocks of a forward and a backward half lie beside each other in an overlapped pair.
#pragma once
#include <cstdint>
#include <vector>

namespace moesim::schedule {

/// What a block has for the other half: exchanges to be hidden, compute to hide them under.
struct BlockTraits {
  bool exchanges = false, computes = true;
};

/// The block that each half works on in each slot, in the order of execution; -1: none.
struct Alignment {
  std::vector<std::int16_t> forward, backward;  // (slots) both
};

/// Lays two halves, given in their order of execution, beside each other so that as many blocks with exchanges as can
/// be have a computing block beside them; of equal choices the one with the fewest slots, then the one that pairs
/// latest.  With an empty half every block of the other has a slot of its own.
Alignment align(const std::vector<BlockTraits>& forward, const std::vector<BlockTraits>& backward);
}  // namespace moesim::schedule
