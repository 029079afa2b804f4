// What one kernel cost takes: cached and not.
#include <benchmark/benchmark.h>

#include "compute/kernels/kernel_model.h"
#include "spec/catalogue.h"

namespace moesim::compute {
namespace {
const compute::KernelModel& model() {
  static const std::unique_ptr<compute::KernelModel> m =
      compute::kernel_models().make(Config::from_text("calibrated", "bench"), spec::load_gpu("h800"));
  return *m;
}
std::vector<std::int64_t> uneven(std::size_t experts) {
  std::vector<std::int64_t> rows(experts);
  for (std::size_t i = 0; i < experts; ++i) rows[i] = std::int64_t((i * 7919) % 997);
  return rows;
}
const std::vector<std::int64_t>& nine() {
  static const auto rows = uneven(9);
  return rows;
}
const std::vector<std::int64_t>& many() {
  static const auto rows = uneven(256);
  return rows;
}
compute::Kernel kernel(std::int64_t kind, std::int64_t i) {
  compute::GroupedGemm g;
  g.n = 4096 + i, g.k = 7168, g.dtype = spec::Dtype::fp8;
  switch (kind) {
    case 0:
      return compute::Gemm{.m = 4096 + i, .n = 7168, .k = 7168, .dtype = spec::Dtype::fp8};
    case 1:
      return g.rows = nine(), g;
    case 2:
      return g.rows = many(), g;
    case 3:
      return compute::AttentionDecode{{spec::AttentionKind::mla, 128, 1, 576, 512, true},
                                      {64, 64, 64 * 4096 + i, 4096, 64.0 * 4096}};
    case 4:  // gpt-oss-120b's experts on one GPU
      return g.rows = std::span(many()).first(128), g.dtype = spec::Dtype::bf16, g.weights = spec::Dtype::fp4, g;
    default:
      return compute::MemoryOp{compute::MemoryKind::norm, {1'000'000 + i}};
  }
}
void Cached(benchmark::State& state) {
  compute::KernelCosts costs(model());
  const compute::Kernel k = kernel(state.range(0), 0);
  for (auto _ : state) benchmark::DoNotOptimize(costs.cost(k));
}
void NotCached(benchmark::State& state) {
  compute::KernelCosts costs(model());
  std::int64_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(costs.cost(kernel(state.range(0), ++i)));
}
BENCHMARK(Cached)->DenseRange(0, 5)->ArgName("kind");
BENCHMARK(NotCached)->DenseRange(0, 5)->ArgName("kind");
}  // namespace
}  // namespace moesim::compute
