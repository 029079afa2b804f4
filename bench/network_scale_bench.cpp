// A cluster of 10,240 GPUs: its topology, one exchange of all of them in closed form, and a collective of every group
// of nodes.  Times of one run each, and the most memory held.
#include <fmt/format.h>

#include <chrono>

#include "common/test_cluster.h"
#include "network/collectives/collective.h"
#include "network/exchanges/exchange.h"
#include "results/results.h"

namespace moesim::network {
namespace {
template <class Act>
void timed(std::string_view what, Act act) {
  const auto start = std::chrono::steady_clock::now();
  act();
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  fmt::print("{:<58} {:>9.1f} ms, {:>6.0f} MB held at most\n", what, took.count(), double(results::peak_rss()) / 1e6);
}

int run() {
  constexpr int kNodes = 1280, kGpus = kNodes * 8, kGroupNodes = 16;
  spec::Cluster cluster = test::h800_cluster(kNodes);
  cluster.fabric.kind = spec::FabricKind::three_level_fat_tree;
  std::unique_ptr<network::Topology> topology;
  timed("topology of 10,240 GPUs, three-level fat tree",
        [&] { topology = std::make_unique<network::Topology>(cluster); });
  timed("its summary, with the bisection", [&] { (void)topology->summary(); });
  std::unique_ptr<network::ExchangeGroup> group;
  timed("one expert-parallel group of all",
        [&] { group = std::make_unique<network::ExchangeGroup>(*topology, GpuId{0}, kGpus); });
  const network::NetworkCalibration calibration = network::load_network_calibration("network-h800");
  const network::ExchangeSpec spec{network::ExchangeKernel::deepep_normal, network::ExchangeDirection::dispatch,
                                   network::fp8_row(7168), 24, true};
  std::vector<Time> arrival(kGpus);
  timed("dispatch of all, from sums", [&] {
    exchange::ExchangeSums sums;
    sums.tokens = 128.0 * kGpus;
    sums.gpu_rows.assign(kGpus, 128.0 * 8);
    sums.fan_out.gpu_reach.assign(kGpus, 8.0 / kGpus);
    sums.fan_out.node_reach.assign(kNodes, 8.0 / kNodes);
    network::ExchangeTimes(*group, calibration, spec)(sums, arrival);
  });
  timed("dispatch in 80 groups of 128, pair by pair", [&] {
    exchange::ExchangeLoad load;
    load.gpus = kGroupNodes * 8;
    load.nodes = kGroupNodes;
    load.slots = load.gpus;
    const auto n = std::size_t(load.gpus);
    load.rows_to_gpu.assign(n * n, 8);
    load.tokens_to_gpu = load.rows_to_gpu;
    load.tokens_to_node.assign(n * kGroupNodes, 40);
    load.slot_rows.assign(n, 8 * load.gpus);
    std::vector<Time> ready(n), end(n);
    for (int first = 0; first < kGpus; first += load.gpus) {
      const network::ExchangeGroup part(*topology, GpuId(first), load.gpus);
      network::ExchangeTimes(part, calibration, spec)(load, ready, end);
    }
  });
  timed("all-reduce of 1 GB in each of the 80 groups", [&] {
    for (int first = 0; first < kGpus; first += kGroupNodes * 8) {
      std::vector<GpuId> members;
      for (int g = 0; g < kGroupNodes * 8; ++g) members.push_back(GpuId(first + g));
      (void)network::collective_time(*topology, calibration, network::Collective::all_reduce,
                                     network::CollectiveAlgorithm::best, members, {1'000'000'000});
    }
  });
  Engine engine;
  std::unique_ptr<network::Network> fluid;
  timed("the fluid network", [&] { fluid = test::make_network("{kind: fluid}", engine, cluster); });
  timed("a ring of flows through all 10,240 GPUs", [&] {
    for (int g = 0; g < kGpus; ++g) fluid->send(GpuId(g), GpuId((g + 8) % kGpus), {1'000'000}, [] {});
    engine.run();
  });
  return 0;
}
}  // namespace
}  // namespace moesim::network

int main() { return moesim::network::run(); }
