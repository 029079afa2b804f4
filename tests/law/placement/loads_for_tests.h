// Skewed loads and a routing sample drawn from a seed.
#pragma once
#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/random.h"
#include "placement/placement.h"

namespace moesim::placement {

/// Log-normal loads without equal values inside a layer.
inline Loads skewed_loads(int layers, int experts, double sigma, std::uint64_t seed) {
  Random random(seed, "skewed loads");
  std::vector<double> counts;
  for (int l = 0; l < layers; ++l)
    for (int e = 0; e < experts; ++e)  // the low digits differ: no tie
      counts.push_back(std::floor(random.log_normal(8, sigma)) * double(experts) + double((e * 7 + l) % experts) + 1);
  return loads_of_matrix("test", layers, experts, counts);
}

/// Tokens whose experts follow the loads, mostly from one half of the experts or the other.
inline RoutingSample sample_tokens(const Loads& loads, std::size_t tokens, int top_k, std::uint64_t seed) {
  Random random(seed, "sample");
  RoutingSample out{tokens, top_k, {}};
  for (std::size_t row = 0; row < loads.rows(); ++row) {
    std::vector<double> weight(loads.row(row).begin(), loads.row(row).end());
    for (double& w : weight) w += 1;
    const Discrete any(weight);
    for (std::size_t t = 0; t < tokens; ++t) {
      std::vector<std::int32_t> chosen;
      for (int tries = 0; int(chosen.size()) < top_k; ++tries) {
        const auto e = std::int32_t(any(random));
        const bool half = std::size_t(e) % 2 == t % 2 || tries > 50;
        if (half && std::ranges::find(chosen, e) == chosen.end()) chosen.push_back(e);
      }
      out.ids.insert(out.ids.end(), chosen.begin(), chosen.end());
    }
  }
  return out;
}
}  // namespace moesim::placement
