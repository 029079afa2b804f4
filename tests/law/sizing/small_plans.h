// Plans small enough to try every candidate.
#pragma once
#include <fmt/format.h>

#include <fstream>
#include <string>

#include "core/random.h"
#include "sizing/answer.h"
#include "support/temporary_folder.h"

namespace moesim::sizing {

/// A small model on one or two kinds of node, with targets drawn by the seed.
inline std::string small_plan(std::uint64_t seed) {
  Random random(seed, "plan");
  const auto one_of = [&](std::initializer_list<int> values) {
    return *(values.begin() + std::ptrdiff_t(random.below(values.size())));
  };
  return fmt::format(
      "model: deepseek-v2-lite\nrouting: {{kind: log_normal, sigma: 0.7}}\nseed: {}\nsize:\n"
      "  workload: {{kind: poisson, rate: {}, input: {{kind: fixed, mean: {}}}, output: {{kind: fixed, mean: {}}}}}\n"
      "  targets: {{ttft_p90: {} ms, tpot_p90: {} ms}}\n"
      "  candidates:\n    nodes: [{{node: hgx-h100, nodes: 2}}, {{node: hgx-h200, nodes: 2}}]\n"
      "    layouts: [{}]\n    tensor: [1, 2]\n    data: [1, 4, 8]\n    batch: [16, 64]\n    tokens: [2048]\n"
      "    redundant: [0]\n    overlap: [none]\n  search: {{seeds: 1, least: 5 s, most: 20 s}}\n",
      seed, one_of({5, 20, 60}), one_of({200, 800}), one_of({20, 60}), one_of({200, 500, 2000}), one_of({10, 20, 40}),
      one_of({0, 1}) ? "aggregated" : "aggregated, disaggregated");
}

inline Plan read_small(const TemporaryFolder& folder, std::uint64_t seed, const std::string& more = "") {
  const std::string file = folder.file(fmt::format("plan{}.yaml", seed));
  std::ofstream(file) << small_plan(seed) + more;
  return read_plan(file, {}, {});
}
}  // namespace moesim::sizing
