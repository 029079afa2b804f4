#include "placement/scores/score.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/check.h"
#include "exchange/batch_balance.h"
#include "exchange/copy_shares.h"
#include "placement/planning/packing.h"
#include "placement/scores/bound.h"
#include "routing/load_shape.h"

namespace moesim::placement {
namespace {
double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / double(values.size());
}

/// Load over speed of each GPU once a linear programme has shared the load out, in units of a millionth of it.
std::vector<double> balanced_times(const exchange::ExpertMap& map, const PlacementProblem& problem,
                                   std::span<const double> load) {
  const double total = std::accumulate(load.begin(), load.end(), 0.0);
  const double unit = std::max(total / 1e6, 1e-300);
  std::vector<std::int64_t> rows;
  for (const double l : load) rows.push_back(std::llround(l / unit));
  const std::vector<std::int32_t> slot_rows = exchange::balanced_slot_rows(map, rows, problem.gpu_speed);
  std::vector<double> out(std::size_t(map.gpus), 0);
  for (std::size_t s = 0; s < slot_rows.size(); ++s) out[s / std::size_t(map.slots_per_gpu)] += slot_rows[s] * unit;
  for (std::size_t g = 0; g < out.size(); ++g) out[g] /= problem.speed_of(int(g));
  return out;
}

/// The same with shares that were fixed before.
std::vector<double> planned_times(const exchange::ExpertMap& map, const PlacementProblem& problem,
                                  std::span<const double> load, std::span<const double> shares) {
  check(shares.size() == std::size_t(map.slots()), "{} slots have {} shares", map.slots(), shares.size());
  std::vector<double> out(std::size_t(map.gpus), 0);
  for (std::size_t s = 0; s < shares.size(); ++s)
    if (const int e = map.slot_to_expert[s]; e >= 0)
      out[s / std::size_t(map.slots_per_gpu)] += load[std::size_t(e)] * shares[s];
  for (std::size_t g = 0; g < out.size(); ++g) out[g] /= problem.speed_of(int(g));
  return out;
}
}  // namespace

LayerScore score_layer(std::span<const double> load, const exchange::ExpertMap& map, const PlacementProblem& problem,
                       Sharing sharing, std::span<const double> planned) {
  std::vector<double> times = sharing == Sharing::even      ? gpu_times(map, problem, load)
                              : sharing == Sharing::planned ? planned_times(map, problem, load, planned)
                                                            : balanced_times(map, problem, load);
  double speed = 0;
  for (int g = 0; g < problem.gpus; ++g) speed += problem.speed_of(g);
  const double mean = std::accumulate(load.begin(), load.end(), 0.0) / speed;
  LayerScore out;
  out.slowest = *std::ranges::max_element(times);
  out.bound = lower_bound(load, problem);
  if (mean > 0) {
    out.balance = mean / out.slowest;
    out.imbalance = out.slowest / mean - 1;
    for (double& t : times) t /= mean;
    out.gpus = std::move(times);
  }
  return out;
}

PlacementScore score(const Loads& loads, std::span<const exchange::ExpertMap> maps, const PlacementProblem& problem,
                     Sharing sharing, const SlotShares& planned) {
  check(maps.size() == loads.rows(), "{} layers of load meet {} placed layers", loads.rows(), maps.size());
  PlacementScore out;
  double slowest = 0, bound = 0, balance = 0, imbalance = 0;
  for (std::size_t row = 0; row < maps.size(); ++row) {
    out.layers.push_back(score_layer(loads.row(row), maps[row], problem, sharing,
                                     planned.empty() ? std::span<const double>() : std::span(planned.at(row))));
    out.layers.back().layer = loads.layers[row];
    slowest += out.layers.back().slowest;
    bound += out.layers.back().bound;
    balance += out.layers.back().balance;
    imbalance += out.layers.back().imbalance;
  }
  if (!maps.empty()) {
    out.balancedness = balance / double(maps.size());
    out.imbalance = imbalance / double(maps.size());
    out.gap = bound > 0 ? slowest / bound - 1 : 0;
  }
  return out;
}

SlotShares planned_shares(std::span<const Loads> windows, std::span<const exchange::ExpertMap> maps,
                          const PlacementProblem& problem) {
  std::vector<double> speed;
  for (int g = 0; g < problem.gpus; ++g) speed.push_back(problem.speed_of(g));
  SlotShares out;
  for (std::size_t row = 0; row < maps.size(); ++row) {
    std::vector<std::vector<double>> rows;
    for (const Loads& w : windows) rows.emplace_back(w.row(row).begin(), w.row(row).end());
    out.push_back(exchange::level_shares(maps[row], rows, speed));
  }
  return out;
}

Skew skew(const Loads& loads) {
  Skew out{0, 0};
  for (std::size_t row = 0; row < loads.rows(); ++row) {
    const std::span<const double> load = loads.row(row);
    out.max_over_mean += std::ranges::max(load) / mean_of(load);
    out.gini += routing::gini(load);
  }
  out.max_over_mean /= double(loads.rows());
  out.gini /= double(loads.rows());
  return out;
}
}  // namespace moesim::placement
