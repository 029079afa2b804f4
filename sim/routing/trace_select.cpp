#include "routing/trace.h"

#include <algorithm>

namespace moesim::routing {
namespace {
constexpr std::int64_t kChunk = 1 << 16;  // tokens looked at together
constexpr std::int64_t kRun = 256;        // reading whole blocks for single tokens would cost as much
}  // namespace

std::vector<TokenRange> select(const Trace& trace, const TraceFilter& filter) {
  if (!filter.phase && !filter.domain && !filter.request) return {{0, trace.tokens()}};
  std::vector<TokenRange> out;
  std::vector<TraceToken> tokens;
  for (std::int64_t first = 0; first < trace.tokens(); first += kChunk) {
    trace.read_tokens(first, std::min(kChunk, trace.tokens() - first), tokens);
    for (std::int64_t i = 0; i < std::int64_t(tokens.size()); ++i) {
      const TraceToken& t = tokens[std::size_t(i)];
      if ((filter.phase && t.phase != *filter.phase) || (filter.domain && t.domain != *filter.domain) ||
          (filter.request && t.request != *filter.request))
        continue;
      if (out.empty() || out.back().end != first + i) out.push_back({first + i, first + i});
      ++out.back().end;
    }
  }
  return out;
}

std::vector<TokenRange> spread_runs(const TokenRange& range, std::int64_t tokens) {
  const std::int64_t all = range.end - range.first;
  if (tokens >= all) return {range};
  const std::int64_t count = std::max<std::int64_t>(tokens / kRun, 1), length = std::min(tokens, kRun);
  std::vector<TokenRange> out;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t first = range.first + all / count * i;
    out.push_back({first, first + length});
  }
  return out;
}
}  // namespace moesim::routing
