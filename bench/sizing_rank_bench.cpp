// Pools priced in closed form a second and core, of a plan with every layout that two kinds of node allow.
#include <benchmark/benchmark.h>

#include "sizing/enumerate.h"

namespace {
using namespace moesim;

void rank_pools(benchmark::State& state) {
  const sizing::Plan plan = sizing::read_plan(SOURCE_DIR "/scenarios/size-deepseek-r1.yaml", {}, {});
  std::size_t pools = 0;
  for (auto _ : state) pools = sizing::propose(plan, 1).size();
  state.counters["pools"] = double(pools);
  state.counters["pools/s a core"] =
      benchmark::Counter(double(pools), benchmark::Counter::kIsIterationInvariantRate);  // by CPU time
}
BENCHMARK(rank_pools)->Unit(benchmark::kMillisecond);
}  // namespace
