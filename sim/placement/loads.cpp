#include "placement/loads.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/config.h"

namespace moesim::placement {

void check_count(const std::string& source, int layer, int expert, double count) {
  const auto refuse = [&](std::string_view bound) {
    throw ConfigError::placed(
        fmt::format("{}: layer {}, expert {}: a count must be {}, got {}", source, layer, expert, bound, count));
  };
  if (!(count >= 0) || !std::isfinite(count)) refuse("a number of at least 0");
  if (count > 0x1p53) refuse("at most 2^53");
}

Loads loads_of_matrix(const std::string& source, int hidden_layers, int experts, std::vector<double> counts) {
  check(hidden_layers > 0 && experts > 0 && counts.size() == std::size_t(hidden_layers) * std::size_t(experts),
        "a load matrix of {} layers and {} experts has {} counts", hidden_layers, experts, counts.size());
  Loads out;
  out.experts = experts;
  out.hidden_layers = hidden_layers;
  for (int layer = 0; layer < hidden_layers; ++layer) {
    const auto row = std::span(counts).subspan(std::size_t(layer) * std::size_t(experts), std::size_t(experts));
    for (std::size_t e = 0; e < row.size(); ++e) check_count(source, layer, int(e), row[e]);
    if (std::ranges::all_of(row, [](double c) { return c == 0; })) {
      out.skipped.push_back(layer);
      continue;
    }
    out.layers.push_back(layer);
    out.counts.insert(out.counts.end(), row.begin(), row.end());
  }
  if (out.layers.empty()) throw ConfigError::placed(fmt::format("{}: every count is 0", source));
  return out;
}
}  // namespace moesim::placement
