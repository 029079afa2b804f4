// What recording adds to the pass: the same prompts with and without a trace being written, in turn, in one run.
#include <benchmark/benchmark.h>

#include <unistd.h>

#include <fmt/format.h>

#include <chrono>
#include <filesystem>

#include "recording/record.h"
#include "spec/catalogue.h"

namespace moesim::recording {
namespace {
using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

void recording(benchmark::State& state) {
  spec::Model model = spec::load_model("deepseek-v3");
  model = spec::scaled(model, spec::laptop_scale(model));
  numerics::SyntheticOptions options;
  options.warm_up_tokens = 0;
  numerics::SyntheticWeights weights(model, options);
  numerics::Forward forward(model, weights, {.threads = 2});
  std::vector<recording::RecordRequest> requests;
  for (int r = 0; r < 4; ++r) {
    recording::RecordRequest& request = requests.emplace_back(recording::RecordRequest{"text", "text", {}});
    for (int i = 0; i < 512; ++i) request.tokens.push_back('a' + (i * i + r) % 26);
  }
  const std::string file = (fs::temp_directory_path() / fmt::format("moesim_bench_{}.db", ::getpid())).string();
  double plain = 1e9, recorded = 1e9;
  for (auto _ : state) {
    const auto start = Clock::now();
    std::vector<numerics::KvCache> caches;
    std::vector<numerics::Segment> segments;
    std::vector<int> tokens;
    for (std::size_t i = 0; i < requests.size(); ++i) caches.push_back(forward.new_cache());
    for (std::size_t i = 0; i < requests.size(); ++i) {
      segments.push_back({&caches[i], int(tokens.size()), int(requests[i].tokens.size())});
      tokens.insert(tokens.end(), requests[i].tokens.begin(), requests[i].tokens.end());
    }
    benchmark::DoNotOptimize(forward.run(tokens, segments).values.data());
    const auto middle = Clock::now();
    fs::remove(file);
    recording::RecordOptions record;
    record.output = file;
    recording::record_routing(forward, requests, record);
    const auto end = Clock::now();
    plain = std::min(plain, std::chrono::duration<double>(middle - start).count());
    recorded = std::min(recorded, std::chrono::duration<double>(end - middle).count());
  }
  fs::remove(file);
  state.counters["recording adds"] = recorded / plain - 1;
  state.counters["tokens/s"] = 2048 / recorded;
}
BENCHMARK(recording)->Name("scaled V3, 2048 tokens")->Iterations(12)->Unit(benchmark::kMillisecond)->UseRealTime();
}  // namespace
}  // namespace moesim::recording
