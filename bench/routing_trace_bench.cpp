// Importing and evaluating a trace of DeepSeek-V3's shape: 58 layers, 256 experts, top-8; in token-layers a second.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/random.h"
#include "routing/importers/import.h"
#include "routing/statistics.h"
#include "routing/trace.h"

namespace moesim::routing {
namespace {
constexpr int kLayers = 58, kTopK = 8;
const std::string kFile =
    (std::filesystem::temp_directory_path() / fmt::format("routing_trace_bench.{}", getpid())).string();

/// [tokens, layers, top-k] of uint8: 2000 random tokens over and over.
void write_array(std::int64_t tokens) {
  std::string head = "{'descr': '|u1', 'fortran_order': False, 'shape': (" + std::to_string(tokens) + ", 58, 8), }";
  head.resize((head.size() + 11 + 63) / 64 * 64 - 11, ' ');
  head += '\n';
  std::ofstream out(kFile + ".npy", std::ios::binary);
  out << std::string("\x93NUMPY\x01\0", 8) << char(head.size() & 0xff) << char(head.size() >> 8) << head;
  Random random(1, "tokens");
  std::string block;
  for (int i = 0; i < 2000 * kLayers; ++i) {
    const std::uint64_t start = random.below(256), step = 1 + 2 * random.below(16);
    for (std::uint64_t j = 0; j < kTopK; ++j) block += char((start + j * step) % 256);
  }
  for (std::int64_t t = 0; t < tokens; t += 2000) out << block;
}

void import(benchmark::State& state) {
  write_array(state.range(0));
  routing::ImportOptions options;
  options.output = kFile + ".db";
  options.experts = 256;
  for (auto _ : state) {
    std::filesystem::remove(options.output);
    routing::import_trace({kFile + ".npy"}, options);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0) * kLayers);
}
BENCHMARK(import)->ArgName("tokens")->Arg(100'000)->Unit(benchmark::kMillisecond);

void statistics(benchmark::State& state) {  // of the trace that import wrote
  const routing::Trace trace(kFile + ".db");
  for (auto _ : state) benchmark::DoNotOptimize(routing::trace_statistics(trace, {32, 8}).tokens);
  state.SetItemsProcessed(state.iterations() * trace.tokens() * kLayers);
}
BENCHMARK(statistics)->Unit(benchmark::kMillisecond);

void window_load(benchmark::State& state) {
  const routing::Trace trace(kFile + ".db");
  std::vector<std::int64_t> load(256);
  Random random(2, "windows");
  for (auto _ : state) {
    const auto a = std::int64_t(random.below(std::uint64_t(trace.tokens()))),
               b = std::int64_t(random.below(std::uint64_t(trace.tokens())));
    trace.load(int(random.below(kLayers)), std::min(a, b), std::abs(a - b), load);
  }
}
BENCHMARK(window_load)->Unit(benchmark::kMicrosecond);
}  // namespace
}  // namespace moesim::routing
