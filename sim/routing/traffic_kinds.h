// The traffic sources that traffic.cpp lists.
#pragma once
#include <memory>
#include <string>

#include "routing/traffic.h"

namespace moesim::routing {

using TrafficStrategy = Strategy<TrafficSource, const TrafficContext&>;
TrafficStrategy balanced_traffic(), hot_experts_traffic(), hot_rank_traffic(), spread_traffic(),
    ragged_source_traffic(), zero_load_traffic(), rotating_hot_spot_traffic(), burst_traffic(), log_normal_traffic(),
    power_law_traffic(), grouped_traffic(), token_hash_traffic(), trace_traffic();

/// How a trace's tokens reach the source GPUs.
enum class TraceAssign {
  chunk,       ///< consecutive tokens in recorded order
  request,     ///< consecutive tokens of one request after the other
  round_robin  ///< token i to GPU i modulo the GPUs
};
constexpr auto enum_names(TraceAssign) {
  return std::to_array<std::pair<std::string_view, TraceAssign>>(
      {{"chunk", TraceAssign::chunk}, {"request", TraceAssign::request}, {"round_robin", TraceAssign::round_robin}});
}
struct TraceTrafficParams {
  DataFile file;
  std::string domain;  // "" for all
  TraceAssign assign = TraceAssign::chunk;
  static void fields(auto& f, auto& p) {
    f.required("file", p.file, "the trace");
    f("domain", p.domain, "only tokens of this kind of text; empty for all");
    f("assign", p.assign, "how tokens reach the source GPUs: chunk, request or round_robin");
  }
};
std::unique_ptr<TrafficSource> make_trace_traffic(const TraceTrafficParams& params, const TrafficContext& context);
}  // namespace moesim::routing
