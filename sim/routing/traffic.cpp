#include "routing/traffic.h"

#include "core/check.h"
#include "routing/traffic_kinds.h"

namespace moesim::routing {

void count_rows(const GateShape& gate, Traffic& out) {
  out.gate = gate;
  out.sources = int(out.tokens.size());
  const std::size_t k = std::size_t(gate.top_k), experts = std::size_t(gate.experts);
  out.rows.assign(out.tokens.size() * experts, 0);
  std::size_t at = 0;
  for (std::size_t source = 0; source < out.tokens.size(); ++source) {
    const std::size_t end = at + std::size_t(out.tokens[source]) * k;
    check(end <= out.choices.size(), "{} token choices are fewer than GPU {} needs", out.choices.size(), source);
    for (; at < end; ++at) {
      const int e = out.choices[at];
      check(e >= -1 && e < gate.experts, "expert id {} is outside 0 to {}", e, gate.experts - 1);
      if (e >= 0) ++out.rows[source * experts + std::size_t(e)];
    }
  }
  check(at == out.choices.size(), "{} token choices are more than the tokens need", out.choices.size());
}

const Family<TrafficSource, const TrafficContext&>& traffics() {
  static const Family<TrafficSource, const TrafficContext&> family(
      "traffic", {balanced_traffic(), hot_experts_traffic(), hot_rank_traffic(), spread_traffic(),
                  ragged_source_traffic(), zero_load_traffic(), rotating_hot_spot_traffic(), burst_traffic(),
                  log_normal_traffic(), power_law_traffic(), grouped_traffic(), token_hash_traffic(), trace_traffic()});
  return family;
}

std::string trace_file(const Config& routing) {
  if (!routing.is_map() || !routing.has("trace")) return "";
  return read<DataFile>(routing.at("trace")).path;
}

std::unique_ptr<TrafficSource> make_traffic(const Config& routing, const TrafficContext& context) {
  if (routing.is_scalar()) return traffics().make(routing, context);
  if (routing.has("trace")) {
    TraceTrafficParams params;
    routing.only({"trace", "domain", "assign"});
    routing.at("trace").parse(params.file);
    routing.resolve("trace", routing.at("trace").text());
    if (routing.has("domain")) params.domain = routing.at("domain").text();
    if (routing.has("assign")) routing.at("assign").parse(params.assign);
    return routing.placed([&] { return make_trace_traffic(params, context); });
  }
  if (routing.has("kind")) return traffics().make(routing, context);
  if (!routing.keys().empty()) routing.only({"kind", "trace"});
  return routing.placed([&] { return traffics().of_kind("balanced", context); });
}
}  // namespace moesim::routing
