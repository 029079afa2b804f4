// Wall time of the serving studies that must be fast, each as a user would run it.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>

#include "core/config.h"
#include "serving/run_serving.h"

namespace moesim::serving {
namespace {
void serve(benchmark::State& state, const std::string& yaml) {
  for (auto _ : state) {
    const Config scenario = Config::from_text(yaml, std::string(SOURCE_DIR) + "/scenarios/bench.yaml");
    results::Results results(":memory:", results::RunIdentity{});
    results::SpanLog spans;
    results::StudyRun run{scenario, 1, results, spans};
    const results::StudyEnd end = serving::run_serving(run);
    state.counters["simulated_s"] = seconds(end.simulated_time);
    state.counters["requests"] = results.metric_value("requests_finished");
    state.counters["peak_rss_MB"] = double(results::peak_rss()) * 1e-6;
  }
}

/// One hour of a DeepSeek-V3 decode unit, EP144, about 90 requests a GPU, skewed, every layer; target 60 s.
void BM_DecodeUnitHour(benchmark::State& state) {
  serve(state, R"(
model: deepseek-v3
cluster: h800-144
routing: {kind: log_normal, sigma: 0.75}
placement: {strategy: eplb_global, slots: 288}
serving:
  duration: 3600 s
  drain: false
  workload: {kind: poisson, rate: 170, input: {kind: log_normal, mean: 3800, max: 60000}, output: {kind: log_normal, mean: 1200, max: 16000}}
  pools: [{role: decode, parallel: {data: 144}, overlap: five_stage, graphs: true, overhead: 500 us}]
)");
}

/// The Azure conversation trace, if it is there, else as many generated requests, through a prefill and a decode unit;
/// target 30 s.
void BM_Conversation(benchmark::State& state) {
  const std::string file =
      SOURCE_DIR "/../shared/data/requests/AzureLLMInferenceTrace_conv.csv";  // the measurement tables
  const std::string workload =
      std::filesystem::exists(file)
          ? "{kind: azure, file: " + file + "}"
          : "{kind: poisson, rate: 5.5, limit: 19366, input: {mean: 1155}, output: {mean: 211}}";
  serve(state, R"(
model: deepseek-v3
cluster: {node: hgx-h800, nodes: 22, fabric: ib-rail}
routing: {kind: log_normal, sigma: 0.75}
serving:
  workload: )" + workload +
                   R"(
  pools:
    - {role: prefill, parallel: {data: 32}, placement: {strategy: eplb, slots: 288}, overlap: two_batch}
    - {role: decode, parallel: {data: 144}, placement: {strategy: eplb_global, slots: 288}, overlap: five_stage, graphs: true}
)");
}

/// A million short requests through a dense model; target 60 s.
void BM_MillionShortRequests(benchmark::State& state) {
  serve(state, R"(
model: llama-2-7b
cluster: {node: hgx-h100, nodes: 1, fabric: ib-rail}
serving:
  workload: {kind: poisson, rate: 300, limit: 1000000, input: {kind: uniform, min: 20, max: 80}, output: {kind: uniform, min: 5, max: 15}}
  pools: [{instances: 8}]
)");
}

BENCHMARK(BM_DecodeUnitHour)->Unit(benchmark::kSecond)->Iterations(1);
BENCHMARK(BM_Conversation)->Unit(benchmark::kSecond)->Iterations(1);
BENCHMARK(BM_MillionShortRequests)->Unit(benchmark::kSecond)->Iterations(1);
}  // namespace
}  // namespace moesim::serving
