// Collectives on unit hardware: 1 B/s, no latency, no software costs.
#include <gtest/gtest.h>

#include "common/test_cluster.h"
#include "network/collectives/collective.h"

namespace moesim::network {
namespace {
std::vector<GpuId> gpus(int count) {
  std::vector<GpuId> out;
  for (int g = 0; g < count; ++g) out.push_back(GpuId(g));
  return out;
}
Time closed(const spec::Cluster& cluster, Collective what, CollectiveAlgorithm algorithm, int count,
            std::int64_t bytes) {
  return collective_time(Topology(cluster), {}, what, algorithm, gpus(count), {bytes});
}
Time simulated(const spec::Cluster& cluster, Collective what, CollectiveAlgorithm algorithm, int count,
               std::int64_t bytes) {
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
    const spec::Cluster cluster = test::unit_cluster(c.nodes, c.per_node);
    const int count = c.nodes * c.per_node;
    EXPECT_EQ(closed(cluster, c.what, c.algorithm, count, c.bytes), c.want) << name_of(c.what) << name_of(c.algorithm);
    EXPECT_EQ(simulated(cluster, c.what, c.algorithm, count, c.bytes), c.want)
        << "flows: " << name_of(c.what) << name_of(c.algorithm);
  }
}

TEST(Collective, SwitchesAddUpSinceHopper) {
  spec::Cluster cluster = test::unit_cluster(1, 4);
  cluster.node.gpu.generation = "ampere";
  EXPECT_THROW(closed(cluster, Collective::all_reduce, CollectiveAlgorithm::in_switch, 4, 12), ConfigError);
  EXPECT_EQ(closed(cluster, Collective::all_reduce, CollectiveAlgorithm::best, 4, 12), 18_s) << "the ring";
  cluster.node.gpu.generation = "hopper";
  EXPECT_EQ(closed(cluster, Collective::all_reduce, CollectiveAlgorithm::best, 4, 12), 15_s);
}

TEST(Collective, StepsCostLatency) {
  spec::Cluster cluster = test::unit_cluster(1, 4);
  cluster.fabric.nvlink_latency = 1_s;
  EXPECT_EQ(closed(cluster, Collective::all_reduce, CollectiveAlgorithm::ring, 4, 4), 12_s);  // 6 steps
  EXPECT_EQ(simulated(cluster, Collective::all_reduce, CollectiveAlgorithm::ring, 4, 4), 12_s);
}

// On four nodes of two a tree goes up and down one step inside a node and two between: 2 x 1 + 4 x 10.  Of a ring's 14
// steps every second leaves a node.
TEST(Collective, ATreeCrossesNodesAsOftenAsItIsDeep) {
  spec::Cluster cluster = test::unit_cluster(4, 2);
  cluster.fabric.nvlink_latency = 1_s;
  cluster.fabric.same_leaf_latency = cluster.fabric.cross_leaf_latency = 7_s;
  NetworkCalibration c;
  c.collectives[0].post = 3_s;
  const auto steps = [&](CollectiveAlgorithm algorithm, double bytes) {
    return seconds(collective_time(Topology(cluster), c, Collective::all_reduce, algorithm, gpus(8), 8_B)) - bytes;
  };
  EXPECT_NEAR(steps(CollectiveAlgorithm::tree, 8), 42, 1e-6);  // p trees, each leaves through its own adapter
  EXPECT_NEAR(steps(CollectiveAlgorithm::ring, 7), 77, 1e-6);
}

TEST(Collective, OneMemberOrNoBytesTakeNoTime) {
  const spec::Cluster cluster = test::unit_cluster(1, 4);
  EXPECT_EQ(closed(cluster, Collective::all_reduce, CollectiveAlgorithm::best, 1, 100), 0_s);
  EXPECT_EQ(closed(cluster, Collective::all_reduce, CollectiveAlgorithm::best, 4, 0), 0_s);
  EXPECT_EQ(simulated(cluster, Collective::all_reduce, CollectiveAlgorithm::best, 4, 0), 0_s);
}

using S = CollectiveShape;
using C = Collective;
using A = CollectiveAlgorithm;
using Protocols = std::vector<NetworkCalibration::Protocol>;

/// Seconds, of the four GPUs of a node.
double time_with(const Protocols& protocols, Collective what, CollectiveAlgorithm algorithm, std::int64_t bytes) {
  NetworkCalibration c;
  c.collectives = protocols;
  return seconds(collective_time(Topology(test::unit_cluster(1, 4)), c, what, algorithm, gpus(4), {bytes}));
}

TEST(Collective, ProtocolsServeTheirShape) {
  Protocols p = {{S::ring, 1, 1, 5_s, 1_ns, {1}},  // copies the own part at 1 B/s
                 {S::pairs, 1, 1, 2_s, 1_ns},
                 {S::in_switch, 1, 1, 20_s, 1_ns}};
  p[1].channel_rate = {0.5};  // a pair reaches half of the link
  EXPECT_NEAR(time_with(p, C::all_gather, A::ring, 8), 5 + 6 + 2, 1e-6);
  EXPECT_NEAR(time_with(p, C::all_to_all, A::direct, 4), 2 + 3, 1e-6) << "three pairs together fill the link";
  EXPECT_NEAR(time_with(p, C::all_reduce, A::best, 16), 5 + 24 + 4, 1e-6) << "in the switch 20 + 16 x 5/4";
  p[1].channel_rate = {};
  p[1].part_rate = {0.5};
  EXPECT_NEAR(time_with(p, C::all_to_all, A::direct, 4), 2 + 3 + 2, 1e-6) << "copies its own part besides";
}

TEST(Collective, TheLibraryTakesTheProtocolThatItThinksFastest) {
  Protocols p = {{S::ring, 1, 1, 3_s, 1_ns}, {S::ring, 1, 1, 1_s, 1_ns}};
  EXPECT_NEAR(time_with(p, C::all_gather, A::ring, 8), 1 + 6, 1e-6) << "without estimates it knows";
  p[0].estimate = {1, 3_s, 1_s, 0_s, {1}, {}};   // thinks 3 + 3 steps + 6 = 12
  p[1].estimate = {0.5, 1_s, 1_s, 0_s, {}, {}};  // thinks 1 + 3 steps + 12 = 16
  EXPECT_NEAR(time_with(p, C::all_gather, A::ring, 8), 3 + 6, 1e-6);
  p[0].estimate.most = {0.5};  // thinks 3 + 3 + 12 = 18
  EXPECT_NEAR(time_with(p, C::all_gather, A::ring, 8), 1 + 6, 1e-6);
  p[0].estimate.most = {0.6};  // thinks 3 + 3 + 10 = 16: the first of equals
  EXPECT_NEAR(time_with(p, C::all_gather, A::ring, 8), 3 + 6, 1e-6);
}

TEST(Collective, ChannelsOpenOneByOneAndMoveWholeGrains) {
  Protocols p = {{S::ring, 1, 1, 0_s, 1_ns}};
  p[0].channel_rate = {0.5};  // slower than the link
  p[0].channels = 2;
  p[0].grain = 4_B;
  // A member moves four parts of a quarter each: three that it sends and one that it only receives.
  EXPECT_NEAR(time_with(p, C::all_gather, A::ring, 8), 4 * 2 / 0.5, 1e-6) << "one channel, parts of half a grain";
  EXPECT_NEAR(time_with(p, C::all_gather, A::ring, 16), 4 * 4 / 0.5, 1e-6) << "one channel, a grain";
  EXPECT_NEAR(time_with(p, C::all_gather, A::ring, 32), 4 * 4 / 0.5, 1e-6) << "two channels, a grain each";
  EXPECT_NEAR(time_with(p, C::all_gather, A::ring, 36), 4 * 8 / 0.5, 1e-6) << "one byte more: two grains";
  p[0].part_rate = {1};  // both channels together: a grain in 8 s
  EXPECT_NEAR(time_with(p, C::all_gather, A::ring, 32), 4 * 8 + 4 * 8, 1e-6) << "keeps all four parts";
  EXPECT_NEAR(time_with(p, C::reduce_scatter, A::ring, 32), 4 * 8 + 8, 1e-6) << "keeps one";
  EXPECT_NEAR(time_with(p, C::all_reduce, A::ring, 32), 7 * 8 + 4 * 8, 1e-6) << "round twice";
  // A tree of four is a chain of three steps up and down: seven grains fill it, then the rest of 2 x 64 bytes streams.
  EXPECT_NEAR(time_with(p, C::all_reduce, A::tree, 64), 7 * 8 + (128 - 6 * 8) + 64, 1e-6);
  p[0].channel_rate = {2};
  p[0].part_rate = {};
  EXPECT_NEAR(time_with(p, C::all_gather, A::ring, 32), 24, 1e-6) << "the link is slower than the channels";
}

TEST(Collective, FlowsTakeWhatTheClosedFormSays) {
  int compared = 0;
  for (const int nodes : {1, 2, 4})
    for (const auto& [what_name, what] : enum_names(Collective{}))
      for (const auto& [name, algorithm] : enum_names(CollectiveAlgorithm{}))
        for (const std::int64_t bytes : {4'000, 1'000'000, 30'000'000}) {
          Engine engine;
          const auto network =
              test::make_network("{kind: fluid, calibration: network-h800}", engine, test::h800_cluster(nodes));
          const int count = what == C::point_to_point ? 2 : 8 * nodes;
          std::unique_ptr<Rendezvous> running;
          try {
            running = open_collective(*network, what, algorithm, gpus(count), {bytes}, [](int) {});
          } catch (const ConfigError&) {
            continue;  // this algorithm does not do it
          }
          for (int m = 0; m < count; ++m) running->join(m);
          engine.run();
          const Time closed =
              collective_time(network->topology(), network->calibration(), what, algorithm, gpus(count), {bytes});
          EXPECT_NEAR(seconds(engine.now()) / seconds(closed), 1, 1e-3)
              << what_name << " " << name << " of " << count << ", " << bytes << " bytes";
          ++compared;
        }
  EXPECT_GT(compared, 90);
}

TEST(Collective, BestIsNeverSlowerThanAnyThatLibrariesHave) {
  const spec::Cluster cluster = test::h800_cluster(4);
  const NetworkCalibration calibration = load_network_calibration("network-h800");
  const Topology topology(cluster);
  for (const auto& [what_name, what] : enum_names(Collective{})) {
    if (what == Collective::point_to_point) continue;
    for (const std::int64_t bytes : {1'000, 1'000'000, 1'000'000'000}) {
      const Time best = collective_time(topology, calibration, what, CollectiveAlgorithm::best, gpus(32), {bytes});
      for (const auto& [name, algorithm] : enum_names(CollectiveAlgorithm{})) try {
          if (algorithm == CollectiveAlgorithm::direct && what != Collective::all_to_all) continue;
          EXPECT_LE(best, collective_time(topology, calibration, what, algorithm, gpus(32), {bytes})) << name;
        } catch (const ConfigError&) {
        }
    }
  }
}
}  // namespace
}  // namespace moesim::network
