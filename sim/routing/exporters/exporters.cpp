#include "routing/exporters/exporters.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/interrupt.h"
#include "core/log.h"

namespace moesim::routing {

const std::vector<Exporter>& exporters() {
  static const std::vector<Exporter> table = {
      {"jsonl", "one JSON object a token: sequence, position, token, phase, experts and weights by layer",
       export_jsonl},
      {"csv", "one line a token and layer", export_csv},
      {"npy", "expert ids as a NumPy array [tokens, MoE layers, top-k] of int16, absent = -1", export_npy},
      {"loads", "tokens per expert, {\"logical_count\": [layers][experts]}, as expert load balancers take",
       export_loads},
  };
  return table;
}

const Exporter& exporter(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Exporter& e : exporters()) {
    if (e.name == name) return e;
    names.push_back(e.name);
  }
  throw ConfigError::placed(
      fmt::format("--format: no export format is called \"{}\"{}", name, suggestion(name, names, "there are")));
}

void for_each_piece(const Trace& trace, const std::function<void(const TracePiece&)>& use) {
  const std::int64_t a_token = std::int64_t{trace.layers()} * trace.header().top_k;
  const std::int64_t piece = std::clamp<std::int64_t>((1 << 23) / a_token, 1, 4096);  // 16 MiB of choices at most
  TracePiece p;
  p.experts.resize(std::size_t(trace.layers()));
  p.weights.resize(p.experts.size());
  Progress progress("exporting", std::uint64_t(trace.tokens()), "tokens");
  for (std::int64_t at = 0; at < trace.tokens(); at += piece) {
    stop_if_interrupted();
    const std::int64_t n = std::min(piece, trace.tokens() - at);
    trace.read_tokens(at, n, p.tokens);
    for (int m = 0; m < trace.layers(); ++m) {
      trace.read_experts(m, at, n, p.experts[std::size_t(m)]);
      trace.read_weights(m, at, n, p.weights[std::size_t(m)]);
    }
    use(p);
    progress.at(std::uint64_t(at + n));
  }
}
}  // namespace moesim::routing
