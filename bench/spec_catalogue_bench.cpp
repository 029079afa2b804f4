// Reading each entry of the catalogues; a user waits for it at every start, so under 10 ms.
#include <benchmark/benchmark.h>

#include "core/paths.h"
#include "spec/catalogue.h"
#include "spec/count.h"

namespace moesim::spec {
namespace {
template <class Load>
void time_reading(const std::string& name, Load load) {
  benchmark::RegisterBenchmark(("read/" + name).c_str(),
                               [name, load](benchmark::State& state) {
                                 for (auto _ : state) benchmark::DoNotOptimize(load(name, ""));
                               })
      ->Unit(benchmark::kMillisecond)
      ->MinTime(0.05);
}

const bool registered = [] {
  for (const std::string& name : catalogue_names("models")) time_reading(name, load_model);
  for (const std::string& name : catalogue_names("hardware")) {
    const std::string type = spec::hardware_type(catalogue_file("hardware", name, "hardware"));
    if (type == "gpu") time_reading(name, load_gpu);
    if (type == "node") time_reading(name, load_node);
    if (type == "fabric") time_reading(name, load_fabric);
    if (type == "cluster") time_reading(name, load_cluster);
  }
  time_reading(SOURCE_DIR "/tests/unit/spec/config/deepseek-v3/config.json", load_model);
  return true;
}();

void count(benchmark::State& state) {
  const spec::Model model = spec::load_model("deepseek-v3");
  for (auto _ : state) benchmark::DoNotOptimize(spec::count_parameters(model));
}
BENCHMARK(count)->Unit(benchmark::kMicrosecond);
}  // namespace
}  // namespace moesim::spec
