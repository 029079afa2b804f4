// Loads and samples of a routing trace.
#pragma once
#include <optional>
#include <span>

#include "placement/placement.h"
#include "routing/trace.h"
#include "routing/traffic.h"

namespace moesim::placement {

/// Tokens per expert of tokens [range.first, range.end) of the trace; layers without any are skipped and named.
/// O(experts) a layer whatever the range.  Throws ConfigError if the range holds no token.
Loads loads_of_trace(const routing::Trace& trace, routing::TokenRange range);

/// At most `tokens` tokens of the range, in runs spread evenly over it, in the layers of `loads`.
RoutingSample sample_of_trace(const routing::Trace& trace, routing::TokenRange range, const Loads& loads,
                              std::int64_t tokens);

/// Tokens of a trace of so many, written FIRST:END; either side may be empty, all where it is "".  Throws ConfigError.
routing::TokenRange window_of(const std::string& window, std::int64_t tokens);

constexpr std::int64_t kSampleTokens = 4096;  // that a strategy looks at where nothing else is said

/// kSampleTokens typical tokens of a scenario's routing, in these layers; none if it replays no trace.
std::optional<RoutingSample> sample_of_source(const routing::TrafficSource& source, std::span<const int> layers,
                                              int top_k);
}  // namespace moesim::placement
