// The fluid network: all pairs at once, equal and skewed, and one routed exchange of 64 GPUs.
#include <benchmark/benchmark.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common/test_cluster.h"
#include "core/random.h"
#include "network/sharing/fluid_links.h"

namespace moesim::network {
namespace {
class Count final : public network::Receiver {
 public:
  void arrived(std::uint32_t) override { ++flows; }
  std::size_t flows = 0;
};

/// bytes(from, to) for every ordered pair.
template <class Size>
void all_pairs(benchmark::State& state, int gpus, double tolerance, Size bytes) {
  const network::Topology topology(test::h800_cluster(gpus / 8));
  for (auto _ : state) {
    Engine engine;
    network::FluidLinks fluid(engine, topology.links(), tolerance, {});
    Count count;
    for (int from = 0; from < gpus; ++from)
      for (int to = 0; to < gpus; ++to) {
        if (from == to) continue;
        const network::Route route = topology.route(GpuId(from), GpuId(to));
        const std::int64_t size = bytes(from, to);
        fluid.start(route, {size}, double(size), topology.latency(route), count, 0);
      }
    engine.run();
    state.counters["flows"] = double(count.flows);
    state.counters["visits"] = double(fluid.visits());
    state.counters["simulated_ms"] = seconds(engine.now()) * 1e3;
    state.counters["events"] = double(engine.executed());
  }
}

void equal(benchmark::State& state) {
  all_pairs(state, int(state.range(0)), 0, [](int, int) { return std::int64_t(1) << 20; });
}
BENCHMARK(equal)->Arg(64)->Arg(256)->Unit(benchmark::kMillisecond);

/// Every GPU's share of the traffic: one expert each, as recorded in production if the recordings are at hand, else
/// log-normal with sigma 0.7.
std::vector<double> skew(int gpus) {
  std::vector<double> out;
  const std::string file = SOURCE_DIR "/../shared/data/expert_load/deepseek_v3_prefill_in1024.json";
  if (std::filesystem::exists(file)) {
    std::ifstream in(file);
    out = nlohmann::json::parse(in).at("logical_count").at(30).get<std::vector<double>>();
    out.resize(std::size_t(gpus), 1);
    double sum = 0;
    for (const double x : out) sum += x;
    for (double& x : out) x *= gpus / sum;
    return out;
  }
  Random random(1, "skew");
  for (int g = 0; g < gpus; ++g) out.push_back(random.log_normal(0, 0.7));
  return out;
}

void skewed(benchmark::State& state) {
  const std::vector<double> heat = skew(int(state.range(0)));
  all_pairs(state, int(state.range(0)), double(state.range(1)) * 1e-3, [&](int from, int to) {
    return std::int64_t(1 + 1e5 * heat[std::size_t(to)] * (1 + 0.2 * std::sin(from * 12.9898 + to * 78.233)));
  });
}
BENCHMARK(skewed)->Args({64, 0})->Args({64, 10})->Args({256, 10})->Unit(benchmark::kMillisecond);

void equal_2048(benchmark::State& state) {
  all_pairs(state, 2048, 0.01, [](int, int) { return std::int64_t(1) << 20; });
}
BENCHMARK(equal_2048)->Iterations(1)->Unit(benchmark::kSecond);
}  // namespace
}  // namespace moesim::network
