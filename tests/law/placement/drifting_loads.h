// Loads of one workload in windows that drift, drawn from a seed: mixtures of a few kinds of request, each with experts
// of its own, and what every expert strays by itself.
#pragma once
#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "core/random.h"
#include "placement/loads.h"

namespace moesim::placement {

struct Drift {
  int kinds = 4;          // of requests
  double skew = 0.6;      // standard deviation of the logarithm of an expert's popularity
  double apart = 0.6;     // of what a kind makes of it
  double straying = 0.1;  // of one window, by itself
};

/// windows of `layers` layers.  Every window mixes the kinds anew, alike in all layers.
inline std::vector<Loads> drifting_loads(int windows, int layers, int experts, const Drift& drift, std::uint64_t seed) {
  Random random(seed, "drifting loads");
  std::vector<std::vector<double>> mix;  // (windows, kinds)
  for (int w = 0; w < windows; ++w) {
    mix.emplace_back();
    double sum = 0;
    for (int k = 0; k < drift.kinds; ++k) sum += mix.back().emplace_back(-std::log(1 - random.uniform()));
    for (double& part : mix.back()) part /= sum;  // uniform over all mixtures
  }
  std::vector<std::vector<double>> counts(static_cast<std::size_t>(windows));
  for (int e = 0; e < layers * experts; ++e) {
    const double popular = random.log_normal(8, drift.skew);
    std::vector<double> of_kind;
    for (int k = 0; k < drift.kinds; ++k) of_kind.push_back(popular * random.log_normal(0, drift.apart));
    for (std::size_t w = 0; w < counts.size(); ++w) {
      double load = 0;
      for (std::size_t k = 0; k < of_kind.size(); ++k) load += mix[w][k] * of_kind[k];
      counts[w].push_back(std::floor(load * random.log_normal(0, drift.straying)) + 1);
    }
  }
  std::vector<Loads> out;
  for (auto& one : counts) out.push_back(loads_of_matrix("window", layers, experts, std::move(one)));
  return out;
}

/// Each window weighs the same.
inline Loads mean_of_windows(std::span<const Loads> windows) {
  Loads out = windows[0];
  std::ranges::fill(out.counts, 0);
  for (const Loads& w : windows)
    for (std::size_t row = 0; row < w.rows(); ++row) {
      double total = 0;
      for (const double c : w.row(row)) total += c;
      for (std::size_t e = 0; e < w.row(row).size(); ++e)
        out.counts[row * w.row(row).size() + e] += w.row(row)[e] / total * 1e6 / double(windows.size());
    }
  return out;
}
}  // namespace moesim::placement
