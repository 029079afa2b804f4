// Rate at which recorded routing is evaluated under a placement, and the memory that takes.
#include <benchmark/benchmark.h>

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/random.h"
#include "placing/place_traffic.h"
#include "results/results.h"

namespace {
using namespace moesim;

/// `tokens` tokens of DeepSeek-V3's router in `layers` layers, choices independent and skewed.
std::string write_trace(std::int64_t tokens, int layers) {
  const std::string file =
      (std::filesystem::temp_directory_path() / ("moesim_place_bench_" + std::to_string(getpid()) + ".db")).string();
  routing::TraceHeader header;
  header.hidden_layers = layers;
  for (int l = 0; l < layers; ++l) header.layers.push_back(l);
  header.experts = 256;
  header.top_k = 8;
  routing::TraceWriter writer(file, header);
  Random random(1, "place bench");
  std::vector<double> weights(256);
  for (double& w : weights) w = random.log_normal(0, 0.75);
  const Discrete expert(weights);
  constexpr std::int64_t kBlock = 16384;
  std::vector<routing::TraceToken> list(static_cast<std::size_t>(kBlock));
  std::vector<std::int16_t> chosen(std::size_t(kBlock * layers * 8));
  for (std::int64_t done = 0; done < tokens; done += kBlock) {
    for (std::size_t i = 0; i < chosen.size(); i += 8)
      for (std::size_t k = 0; k < 8; ++k) {
        do chosen[i + k] = std::int16_t(expert(random));
        while (std::find(chosen.begin() + std::ptrdiff_t(i), chosen.begin() + std::ptrdiff_t(i + k), chosen[i + k]) !=
               chosen.begin() + std::ptrdiff_t(i + k));
      }
    for (routing::TraceToken& t : list) t.pass = std::int32_t(done / kBlock);
    writer.add(list, chosen);
  }
  writer.finish();
  return file;
}

/// range(0) thousand tokens, 4 layers; 32 GPUs on 4 nodes, 288 slots.
void evaluate(benchmark::State& state) {
  const std::string file = write_trace(state.range(0) * 1000, 4);
  {
    const placing::Workload workload = placing::read_workload(file);
    placement::PlacementProblem problem;
    problem.gpus = 32;
    problem.nodes = 4;
    problem.slots = 288;
    const std::vector<exchange::ExpertMap> maps = placement::plan(
        *placement::placements().make(Config::from_text("eplb_global", "bench")), {workload.loads, problem});
    const std::vector<exchange::ExpertMap>* const all[] = {&maps};
    for (auto _ : state) benchmark::DoNotOptimize(placing::traffic_shapes(workload, {256, 8, 1, 1}, all, {32, 8}));
    state.counters["token_layers"] = benchmark::Counter(
        double(workload.trace->tokens()) * 4 * double(state.iterations()), benchmark::Counter::kIsRate);
    state.counters["peak_rss"] = double(results::peak_rss());
  }
  std::filesystem::remove(file);
}
BENCHMARK(evaluate)->Arg(1000)->Arg(10000)->Unit(benchmark::kMillisecond)->Iterations(1);
}  // namespace
