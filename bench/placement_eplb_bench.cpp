// Time to plan DeepSeek-V3's 58 MoE layers on one core.
#include <benchmark/benchmark.h>

#include <cmath>

#include "core/random.h"
#include "placement/placement.h"
#include "placement/policies/eplb.h"

#include "law/placement/drifting_loads.h"

namespace {
using namespace moesim;

placement::Loads loads_of_v3() {
  Random random(1, "bench");
  std::vector<double> counts;
  for (int i = 0; i < 58 * 256; ++i) counts.push_back(std::floor(random.log_normal(8, 0.8)));
  return placement::loads_of_matrix("bench", 58, 256, counts);
}

/// 288 slots; range(0) groups on range(1) nodes of range(2) GPUs in all.
void plan_layers(benchmark::State& state) {
  const placement::Loads loads = loads_of_v3();
  std::vector<int> slots(288);
  for (auto _ : state) {
    placement::Eplb eplb(256, 288, int(state.range(0)), int(state.range(1)), int(state.range(2)));
    for (std::size_t row = 0; row < loads.rows(); ++row) eplb.place(loads.row(row), slots);
    benchmark::DoNotOptimize(slots.data());
  }
}
BENCHMARK(plan_layers)->Name("eplb_hierarchical_32_gpus")->Args({8, 4, 32})->Unit(benchmark::kMillisecond);
BENCHMARK(plan_layers)->Name("eplb_global_144_gpus")->Args({1, 1, 144})->Unit(benchmark::kMillisecond);

void plan_by(benchmark::State& state, const char* kind) {
  const placement::Loads loads = loads_of_v3();
  placement::PlacementProblem problem;
  problem.gpus = 32;
  problem.nodes = 4;
  problem.slots = 288;
  problem.groups = 8;
  const auto policy = placement::placements().make(Config::from_text(kind, "bench"));
  for (auto _ : state) benchmark::DoNotOptimize(placement::plan(*policy, {loads, problem}));
}

/// `robust` from range(0) windows on range(1) GPUs.
void plan_windows(benchmark::State& state) {
  const std::vector<placement::Loads> windows = placement::drifting_loads(int(state.range(0)), 58, 256, {}, 1);
  const placement::Loads mean = placement::mean_of_windows(windows);
  placement::PlacementProblem problem;
  problem.gpus = int(state.range(1));
  problem.nodes = problem.gpus / 8;
  problem.slots = 288;
  const auto policy = placement::placements().of_kind("robust");
  for (auto _ : state)
    benchmark::DoNotOptimize(placement::plan(*policy, {.loads = mean, .problem = problem, .windows = windows}));
}
BENCHMARK(plan_windows)
    ->Name("robust_windows_gpus")
    ->ArgsProduct({{1, 2, 4}, {32, 144}})
    ->Unit(benchmark::kMillisecond);

BENCHMARK_CAPTURE(plan_by, eplb, "eplb")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(plan_by, greedy, "greedy")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(plan_by, local_search, "local_search")->Unit(benchmark::kMillisecond);
}  // namespace
