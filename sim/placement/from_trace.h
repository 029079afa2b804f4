// Loads and samples of a routing trace.
#pragma once
#include "placement/placement.h"
#include "routing/trace.h"

namespace moesim::placement {

/// Tokens per expert of tokens [range.first, range.end) of the trace; layers without any are skipped and named.
/// O(experts) a layer whatever the range.  Throws ConfigError if the range holds no token.
Loads loads_of_trace(const routing::Trace& trace, routing::TokenRange range);

/// At most `tokens` tokens of the range, in runs spread evenly over it, in the layers of `loads`.
RoutingSample sample_of_trace(const routing::Trace& trace, routing::TokenRange range, const Loads& loads,
                              std::int64_t tokens);
}  // namespace moesim::placement
