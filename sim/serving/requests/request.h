// One request as a user sends it: when it comes, how long it is, and which of its prefix others share.
#pragma once
#include <cstdint>
#include <vector>

#include "core/units.h"

namespace moesim::serving {

struct Request {
  std::int64_t row = 0;        ///< line of the trace file (the header is line 1), or the generator's count from 1
  std::int64_t session = -1;   ///< the conversation it belongs to; -1 for none
  std::int32_t turn = 0;       ///< within its session, from 0
  std::int32_t input = 0;      ///< tokens of the prompt, all earlier turns included
  std::int32_t output = 0;     ///< tokens to generate; the first comes out of prefill
  std::int32_t domain = 0;     ///< which routing distribution its tokens follow
  std::int32_t recorded = -1;  ///< number among the requests whose own routing was recorded; -1: not one of them
  bool outside = false;        ///< load of an instance that is folded away: it queues and computes, but is not counted
  Time arrival{};
  /// Ids of the full prefix blocks of the prompt, then of the output where a later turn repeats it.  Equal ids mean
  /// equal tokens from the start up to and including the block; every block has Workload::hash_block() tokens.
  std::vector<std::uint64_t> hashes;
  /// Full prefix blocks after those, with tokens that no other request has: they fill prefix caches in vain.
  std::int32_t unique_blocks = 0;
};
}  // namespace moesim::serving
