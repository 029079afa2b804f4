// Reading one catalogue entry, the slowest of each kind; a user waits for it at every start, so under 10 ms.
#include <benchmark/benchmark.h>

#include "spec/catalogue.h"
#include "spec/count.h"

namespace moesim {
namespace {
void read_model(benchmark::State& state, const char* name) {
  for (auto _ : state) benchmark::DoNotOptimize(load_model(name));
}
BENCHMARK_CAPTURE(read_model, deepseek_v3, "deepseek-v3")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(read_model, deepseek_r1_extends_v3, "deepseek-r1")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(read_model, gemma_3_27b, "gemma-3-27b")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(read_model, config_json, SOURCE_DIR "/tests/unit/spec/config/deepseek-v3")
    ->Unit(benchmark::kMillisecond);

void read_cluster(benchmark::State& state, const char* name) {
  for (auto _ : state) benchmark::DoNotOptimize(load_cluster(name));
}
BENCHMARK_CAPTURE(read_cluster, h800_2048, "h800-2048")->Unit(benchmark::kMillisecond);

void count(benchmark::State& state) {
  const Model model = load_model("deepseek-v3");
  for (auto _ : state) benchmark::DoNotOptimize(count_parameters(model));
}
BENCHMARK(count)->Unit(benchmark::kMicrosecond);
}  // namespace
}  // namespace moesim
