// Turning traffic into exchange loads: 64 GPUs, 256 experts, as in one stage of a DeepSeek-V3 training run.
#include <benchmark/benchmark.h>

#include "exchange/exchanger.h"

namespace moesim::exchange {
namespace {
constexpr routing::GateShape kV3{256, 8, 8, 4};

exchange::ExpertMap with_replicas(int gpus, int slots) {
  exchange::ExpertMap map{256, gpus, slots / gpus, {}};
  for (int s = 0; s < map.slots(); ++s) map.slot_to_expert.push_back(s % 256);
  return map;
}
std::unique_ptr<routing::TrafficSource> log_normal(const spec::GroupShape& group) {
  return routing::make_traffic(Config::from_text("kind: log_normal", "bench.yaml"), {kV3, group, 1, {}});
}

void exchange(benchmark::State& state) {
  const spec::GroupShape group{64, 8};
  const std::vector<std::int32_t> tokens(64, std::int32_t(state.range(0)));
  routing::Traffic traffic;
  log_normal(group)->draw(3, 0, tokens, traffic);
  exchange::Exchanger exchanger(
      state.range(1) == 256 ? exchange::contiguous_map(256, 64) : with_replicas(64, int(state.range(1))), group);
  exchange::ExchangeLoad load;
  for (auto _ : state) exchanger(traffic, load);
}
BENCHMARK(exchange)
    ->ArgNames({"tokens", "slots"})
    ->Args({4096, 256})
    ->Args({4096, 320})
    ->Args({64, 256})
    ->Unit(benchmark::kMicrosecond);

void serving_layer(benchmark::State& state) {
  const spec::GroupShape group{144, 8};
  const auto source = log_normal(group);
  const exchange::ExpertMap map = with_replicas(144, 288);
  const exchange::CopyTable replicas = exchange::copy_table(map);
  std::vector<double> load(256);
  exchange::ExchangeSums sums;
  std::int64_t step = 0;
  for (auto _ : state) {
    source->draw_load(3, step++, 144 * 90, load);
    exchange::exchange_sums(load, 144 * 90, kV3, map, replicas, group, sums);
  }
}
BENCHMARK(serving_layer)->Unit(benchmark::kMicrosecond);
}  // namespace
}  // namespace moesim::exchange
