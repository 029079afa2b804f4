// One step of DeepSeek-V3's published training: 16 stages x 64 expert-parallel GPUs, 120 micro-batches, skewed routing.
#include <benchmark/benchmark.h>

#include "core/paths.h"
#include "results/results.h"
#include "training/step.h"

namespace moesim::training {
namespace {
void step(benchmark::State& state, std::vector<Config::Override> overrides) {
  const Config scenario =
      Config::load(catalogue_file("scenarios", "train-deepseek-v3", "scenario", {SOURCE_DIR}), overrides);
  for (auto _ : state) {
    training::TrainingSetup setup(scenario, 1);
    const schedule::StepOutcome out = setup.run(0, nullptr);
    benchmark::DoNotOptimize(out.step);
    state.counters["events"] = double(setup.engine().executed());
    state.counters["simulated_s"] = seconds(out.step);
    state.counters["peak_MB"] = double(results::peak_rss()) * 1e-6;
  }
}
void Bottleneck(benchmark::State& state) { step(state, {}); }
void Fluid(benchmark::State& state) { step(state, {{"network", "fluid"}}); }
void Unfolded(benchmark::State& state) { step(state, {{"fold", "none"}}); }

BENCHMARK(Bottleneck)->Unit(benchmark::kSecond)->Iterations(1);
BENCHMARK(Fluid)->Unit(benchmark::kSecond)->Iterations(1);
BENCHMARK(Unfolded)->Unit(benchmark::kSecond)->Iterations(1);
}  // namespace
}  // namespace moesim::training
