// Collectives on unit hardware: 1 B/s, no latency, no software costs.
#include <gtest/gtest.h>

#include "common/test_cluster.h"
#include "network/collective.h"

namespace moesim {
namespace {
std::vector<GpuId> gpus(int count) {
  std::vector<GpuId> out;
  for (int g = 0; g < count; ++g) out.push_back(GpuId(g));
  return out;
}
Time closed(const Cluster& cluster, Collective what, CollectiveAlgorithm algorithm, int count, std::int64_t bytes) {
  return collective_time(Topology(cluster), {}, what, algorithm, gpus(count), {bytes});
}
Time simulated(const Cluster& cluster, Collective what, CollectiveAlgorithm algorithm, int count, std::int64_t bytes) {
  Engine engine;
  const auto network = test::make_network("{kind: fluid, calibration: none}", engine, cluster);
  int told = 0;
  const auto running = open_collective(*network, what, algorithm, gpus(count), {bytes}, [&told](int) { ++told; });
  for (int m = 0; m < count; ++m) running->join(m);
  engine.run();
  EXPECT_TRUE(running->finished());
  EXPECT_EQ(told, count);
  return engine.now();
}

struct Case {
  Collective what;
  CollectiveAlgorithm algorithm;
  int nodes, per_node;
  std::int64_t bytes;
  Time want;
};
TEST(Collective, TimesAreThoseOfTheTextbook) {
  using C = Collective;
  using A = CollectiveAlgorithm;
  const Case cases[] = {
      {C::all_reduce, A::ring, 1, 4, 4, 6_s},  // 2 (n - 1) / n of 4 bytes
      {C::all_gather, A::ring, 1, 4, 4, 3_s},  // (n - 1) / n
      {C::reduce_scatter, A::ring, 1, 4, 4, 3_s},
      {C::all_gather, A::direct, 1, 4, 4, 3_s},
      {C::all_to_all, A::direct, 1, 4, 4, 3_s},
      {C::point_to_point, A::direct, 1, 2, 5, 5_s},
      {C::point_to_point, A::direct, 2, 1, 5, 5_s},
      {C::all_reduce, A::in_switch, 1, 4, 12,
       15_s},                                    // all to the switch, a quarter comes back and goes out: (n + 1) / n
      {C::all_reduce, A::ring, 4, 1, 4, 6_s},    // over adapters
      {C::all_reduce, A::ring, 2, 2, 4, 3_s},    // two rings of half each: 3 bytes on NVLink, 3 on the adapter
      {C::all_to_all, A::direct, 2, 2, 4, 2_s},  // one part inside, two over the adapter
      {C::all_gather, A::hierarchical, 2, 2, 4, 3_s},  // 1 over the adapter, then 2 inside
      {C::all_reduce, A::hierarchical, 2, 2, 4, 6_s},  // 2 inside, 2 over the adapter, 2 inside
      {C::all_to_all, A::hierarchical, 2, 2, 4, 4_s},  // 2 inside, 2 over the adapter
  };
  for (const Case& c : cases) {
    const Cluster cluster = test::unit_cluster(c.nodes, c.per_node);
    const int count = c.nodes * c.per_node;
    EXPECT_EQ(closed(cluster, c.what, c.algorithm, count, c.bytes), c.want) << name_of(c.what) << name_of(c.algorithm);
    EXPECT_EQ(simulated(cluster, c.what, c.algorithm, count, c.bytes), c.want)
        << "flows: " << name_of(c.what) << name_of(c.algorithm);
  }
}

TEST(Collective, StepsCostLatency) {
  Cluster cluster = test::unit_cluster(1, 4);
  cluster.fabric.nvlink_latency = 1_s;
  EXPECT_EQ(closed(cluster, Collective::all_reduce, CollectiveAlgorithm::ring, 4, 4), 12_s);  // 6 steps
  EXPECT_EQ(simulated(cluster, Collective::all_reduce, CollectiveAlgorithm::ring, 4, 4), 12_s);
}

TEST(Collective, OneMemberOrNoBytesTakeNoTime) {
  const Cluster cluster = test::unit_cluster(1, 4);
  EXPECT_EQ(closed(cluster, Collective::all_reduce, CollectiveAlgorithm::best, 1, 100), 0_s);
  EXPECT_EQ(closed(cluster, Collective::all_reduce, CollectiveAlgorithm::best, 4, 0), 0_s);
  EXPECT_EQ(simulated(cluster, Collective::all_reduce, CollectiveAlgorithm::best, 4, 0), 0_s);
}

TEST(Collective, ProtocolsServeTheirShapeUpToTheirSize) {
  using S = CollectiveShape;
  const Topology topology(test::unit_cluster(1, 4));
  NetworkCalibration c;
  c.collectives = {{S::ring, 1, 1, 1_s, 1_ns, {}, 3_B},     // up to 3 bytes a member
                   {S::ring, 1, 1, 5_s, 1_ns, {1}, {}},     // copies the own part at 1 B/s
                   {S::pairs, 1, 1, 2_s, 1_ns, {0.5}, {}},  // a pair reaches half of the link
                   {S::in_switch, 1, 1, 20_s, 1_ns, {}, {}}};
  const auto time = [&](Collective what, CollectiveAlgorithm algorithm, std::int64_t bytes) {
    return seconds(collective_time(topology, c, what, algorithm, gpus(4), {bytes}));
  };
  using C = Collective;
  using A = CollectiveAlgorithm;
  EXPECT_NEAR(time(C::all_gather, A::ring, 4), 1 + 3, 1e-6);
  EXPECT_NEAR(time(C::all_gather, A::ring, 8), 5 + 6 + 2, 1e-6);
  EXPECT_NEAR(time(C::all_to_all, A::direct, 4), 2 + 3, 1e-6) << "three pairs together fill the link";
  EXPECT_NEAR(time(C::all_reduce, A::best, 16), 5 + 24 + 4, 1e-6) << "in the switch 20 + 16 x 5/4";
}

TEST(Collective, BestIsNeverSlowerThanAnyThatLibrariesHave) {
  const Cluster cluster = test::h800_cluster(4);
  const NetworkCalibration calibration = load_network_calibration("network-h800");
  const Topology topology(cluster);
  for (const auto& [what_name, what] : EnumNames<Collective>::table) {
    if (what == Collective::point_to_point) continue;
    for (const std::int64_t bytes : {1'000, 1'000'000, 1'000'000'000}) {
      const Time best = collective_time(topology, calibration, what, CollectiveAlgorithm::best, gpus(32), {bytes});
      for (const auto& [name, algorithm] : EnumNames<CollectiveAlgorithm>::table) try {
          if (algorithm == CollectiveAlgorithm::direct && what != Collective::all_to_all) continue;
          EXPECT_LE(best, collective_time(topology, calibration, what, algorithm, gpus(32), {bytes})) << name;
        } catch (const ConfigError&) {
        }
    }
  }
}
}  // namespace
}  // namespace moesim
