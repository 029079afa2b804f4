// One exchange of 64 GPUs on 8 nodes: tokens to at most 4 nodes, top-8 of 256 experts, skewed.
#include <benchmark/benchmark.h>

#include <algorithm>

#include "common/test_cluster.h"
#include "core/random.h"
#include "exchange/exchanger.h"
#include "network/exchanges/exchange.h"

namespace moesim::network {
namespace {
/// 256 tokens a GPU; experts draw log-normal shares, and a token's experts lie on 4 of the 8 nodes.
exchange::ExchangeLoad node_limited_load() {
  Random random(1, "load");
  std::vector<double> heat;
  for (int e = 0; e < 256; ++e) heat.push_back(random.log_normal(0, 0.8));
  const Discrete draw(heat);
  routing::Traffic traffic;
  traffic.sources = 64;
  traffic.tokens.assign(64, 256);
  for (int t = 0; t < 64 * 256; ++t) {
    int nodes[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    random.shuffle(std::span<int>(nodes));
    std::vector<std::int16_t> mine;
    while (mine.size() < 8) {
      const auto e = std::int16_t(draw(random));
      const bool allowed = std::find(nodes, nodes + 4, e / 32) != nodes + 4;
      if (allowed && std::find(mine.begin(), mine.end(), e) == mine.end()) mine.push_back(e);
    }
    traffic.choices.insert(traffic.choices.end(), mine.begin(), mine.end());
  }
  routing::count_rows({256, 8, 8, 4}, traffic);
  exchange::ExchangeLoad load;
  exchange::Exchanger(exchange::contiguous_map(256, 64), {64, 8})(traffic, load);
  return load;
}

network::ExchangeSpec spec_of(std::int64_t kernel) {
  return {kernel == 0 ? network::ExchangeKernel::deepep_normal : network::ExchangeKernel::deepep_low_latency,
          network::ExchangeDirection::dispatch, network::fp8_row(7168), 24, true};
}

void closed_form(benchmark::State& state) {
  const exchange::ExchangeLoad load = node_limited_load();
  const network::Topology topology(test::h800_cluster(8));
  const network::ExchangeGroup group(topology, GpuId{0}, 64);
  network::ExchangeTimes times(group, {}, spec_of(state.range(0)));
  std::vector<Time> ready(64), arrival(64);
  for (std::size_t m = 0; m < 64; ++m) ready[m] = Time{std::int64_t(m * 7919 % 64) * 1'000'000};
  for (auto _ : state) {
    times(load, ready, arrival);
    benchmark::DoNotOptimize(arrival.data());
  }
}
BENCHMARK(closed_form)->Arg(0)->Arg(1)->Unit(benchmark::kMicrosecond);

/// What counting its bytes for the link tables adds to a closed form.
void counting(benchmark::State& state) {
  const exchange::ExchangeLoad load = node_limited_load();
  Engine engine;
  const auto network = test::make_network("{kind: bottleneck, calibration: none}", engine, test::h800_cluster(8));
  const network::ExchangeGroup group(network->topology(), GpuId{0}, 64);
  for (auto _ : state) network->count(group, spec_of(state.range(0)), load, {}, 1_us);
  benchmark::DoNotOptimize(network->link_use().data());
}
BENCHMARK(counting)->Arg(0)->Arg(1)->Unit(benchmark::kMicrosecond);

/// range(0): kernel; range(1): tolerance in thousandths.
void fluid(benchmark::State& state) {
  const exchange::ExchangeLoad load = node_limited_load();
  const std::string text =
      fmt::format("{{kind: fluid, calibration: none, tolerance: {}}}", double(state.range(1)) * 1e-3);
  Engine engine;
  const auto network = test::make_network(text, engine, test::h800_cluster(8));
  const network::ExchangeGroup group(network->topology(), GpuId{0}, 64);
  for (auto _ : state) {
    const Time start = engine.now();
    const auto exchange = network::open_exchange(*network, group, spec_of(state.range(0)), load, [](int) {});
    for (int m = 0; m < 64; ++m) exchange->join(m);
    engine.run();
    state.counters["simulated_us"] = seconds(engine.now() - start) * 1e6;
  }
}
BENCHMARK(fluid)->Args({0, 0})->Args({0, 10})->Args({1, 10})->Unit(benchmark::kMillisecond);
}  // namespace
}  // namespace moesim::network
