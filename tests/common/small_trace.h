// A recorded trace small enough to write in a test.
#pragma once
#include <string>

#include "core/random.h"
#include "routing/trace.h"
#include "spec/model.h"

namespace moesim {

/// Writes a trace of the model's router: `tokens` tokens, half of them decoded, each choosing among every other expert,
/// so that even experts are used together and odd ones are.  Returns `file`.
inline std::string write_small_trace(const std::string& file, const spec::Model& model, int tokens = 256) {
  routing::TraceHeader header;
  header.source = "a test";
  header.layers = model.moe_layers();
  header.experts = model.moe->experts;
  header.top_k = model.moe->top_k;
  std::vector<routing::TraceToken> rows;
  for (int t = 0; t < tokens; ++t)
    rows.push_back({t < tokens / 2 ? 0 : 1, 0, t, t,
                    t < tokens / 2 ? routing::TracePhase::prefill : routing::TracePhase::decode, 0});
  Random random(7, "small trace");
  std::vector<std::int16_t> experts;
  for (std::size_t layer = 0; layer < header.layers.size(); ++layer)
    for (int t = 0; t < tokens; ++t) {
      const auto first = int(random.below(std::uint64_t(header.experts)));
      for (int k = 0; k < header.top_k; ++k) experts.push_back(std::int16_t((first + 2 * k) % header.experts));
    }
  routing::TraceWriter writer(file, header);
  writer.add(rows, experts);
  writer.finish();
  return file;
}

/// The strategies that look at tokens, as a scenario writes them.
inline const char* const kStrategiesOfTokens[] = {"affinity", "coactivation", "{kind: traffic, swaps: 3}",
                                                  "{kind: local_search, objective: nodes, steps: 3}",
                                                  "{kind: local_search, objective: exchange, steps: 3}"};
constexpr const char* kAskForTrace = "needs a trace (routing: {trace: FILE} or {record: {text: [FILE]}})";
}  // namespace moesim
