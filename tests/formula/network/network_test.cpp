// Simulated times on unit hardware: 1 B/s, no latency, worked out in the head.
#include <gtest/gtest.h>

#include "common/test_cluster.h"

namespace moesim::network {
namespace {
using test::make_network;
using test::unit_cluster;

struct Sim {
  Engine engine;
  std::unique_ptr<Network> network;
  explicit Sim(const spec::Cluster& cluster, const std::string& text = "{kind: fluid, calibration: none}")
      : network(make_network(text, engine, cluster)) {}
  /// Sends at `start`; the arrival is written to *end.
  void send(int from, int to, std::int64_t bytes, Time* end, Time start = {}) {
    engine.at(start, "send", [this, from, to, bytes, end] {
      network->send(GpuId(from), GpuId(to), {bytes}, [this, end] { *end = engine.now(); });
    });
  }
};

TEST(Fluid, TwoTransfersShareOneBytePerSecond) {
  Sim run(unit_cluster(1, 3));
  Time small{-1}, large{-1};
  run.send(0, 1, 1, &small);  // both leave GPU 0: half a byte a second each
  run.send(0, 2, 4, &large);  // 1 of 4 bytes gone when the other ends, the last 3 take 3 s
  run.engine.run(Time{1'999'999'999'999});
  EXPECT_EQ(small, Time{-1});
  run.engine.run(2_s);
  EXPECT_EQ(small, 2_s);
  run.engine.run(Time{4'999'999'999'999});
  EXPECT_EQ(large, Time{-1});
  run.engine.run();
  EXPECT_EQ(large, 5_s);
}

TEST(Fluid, ALateTransferTakesItsShareOnlyFromWhenItStarts) {
  Sim run(unit_cluster(1, 3));
  Time first{}, second{};
  run.send(0, 1, 3, &first);        // 2 bytes gone when the other starts; the last one takes 2 s
  run.send(2, 1, 2, &second, 2_s);  // 1 byte by 4 s, and the other byte alone
  run.engine.run();
  EXPECT_EQ(first, 4_s);
  EXPECT_EQ(second, 5_s);
}

TEST(Fluid, BothDirectionsOfALinkAreSeparate) {
  Sim run(unit_cluster(1, 2));
  Time there{}, back{};
  run.send(0, 1, 5, &there);
  run.send(1, 0, 5, &back);
  run.engine.run();
  EXPECT_EQ(there, 5_s);
  EXPECT_EQ(back, 5_s);
}

TEST(Fluid, AFlowHeldBackElsewhereLeavesItsShareToOthers) {
  Sim run(unit_cluster(1, 4));
  Time a{}, b{}, c{};
  run.send(0, 1, 2, &a);  // into GPU 1 with b: 1/2 B/s
  run.send(2, 1, 2, &b);
  run.send(2, 3, 2, &c);  // GPU 2 sends b and c: 1/2 B/s each
  run.engine.run();
  EXPECT_EQ(a, 4_s);
  EXPECT_EQ(b, 4_s);
  EXPECT_EQ(c, 4_s);
}

TEST(Fluid, TheLastByteArrivesOneLatencyAfterItLeft) {
  spec::Cluster cluster = unit_cluster(2, 2);
  cluster.fabric.same_leaf_latency = 3_s;
  cluster.fabric.cross_leaf_latency = 5_s;
  cluster.fabric.nvlink_latency = 1_s;
  Sim run(cluster);
  Time inside{}, rail{}, across{}, nothing{};
  run.send(0, 1, 2, &inside);  // another GPU's adapter is not involved
  run.engine.run();
  EXPECT_EQ(inside, 3_s);
  run.send(0, 2, 2, &rail, 10_s);
  run.engine.run();
  EXPECT_EQ(rail, 15_s);  // 10 + 2 + 3
  run.send(0, 3, 2, &across, 20_s);
  run.engine.run();
  EXPECT_EQ(across, 27_s);  // 20 + 2 + 5: another rail is another leaf
  run.send(0, 3, 0, &nothing, 30_s);
  run.engine.run();
  EXPECT_EQ(nothing, 35_s);
}

TEST(Fluid, AGpuNeedsNoTimeToSendToItself) {
  Sim run(unit_cluster(1, 2));
  Time end{-1};
  run.send(1, 1, 1000, &end, 7_s);
  run.engine.run();
  EXPECT_EQ(end, 7_s);
}

TEST(Fluid, GpusThatShareAnAdapterShareItsRate) {
  spec::Cluster cluster = unit_cluster(2, 2);
  cluster.node.nics = 1;
  cluster.node.pcie = {1};
  Sim run(cluster);
  Time a{}, b{};
  run.send(0, 2, 3, &a);
  run.send(1, 3, 3, &b);
  run.engine.run();
  EXPECT_EQ(a, 6_s);
  EXPECT_EQ(b, 6_s);
}

TEST(Fluid, APcieSlowerThanTheAdapterHoldsItBack) {
  spec::Cluster cluster = unit_cluster(2, 1);
  cluster.node.nic = {4};
  cluster.node.pcie = {2};
  Sim run(cluster);
  Time end{};
  run.send(0, 1, 8, &end);
  run.engine.run();
  EXPECT_EQ(end, 4_s);
}

TEST(Fluid, AnOversubscribedLeafSharesItsUplinks) {
  spec::Cluster cluster = unit_cluster(4, 1);
  cluster.fabric.switch_ports = 3;
  cluster.fabric.oversubscription = 2;  // 2 adapters below each leaf, 1 cable up
  Sim run(cluster);
  Time a{}, b{};
  run.send(0, 2, 3, &a);
  run.send(1, 3, 3, &b);
  run.engine.run();
  EXPECT_EQ(a, 6_s);
  EXPECT_EQ(b, 6_s);
}

TEST(Fluid, ADegradedLinkCarriesItsShareAndAFailedOneNothing) {
  Time end{};
  Sim slow(unit_cluster(1, 2), "{kind: fluid, calibration: none, faults: [{link: gpu0>nvswitch0, share: 0.5}]}");
  slow.send(0, 1, 3, &end);
  slow.engine.run();
  EXPECT_EQ(end, 6_s);
  // The adapter of GPU 0 has failed: over NVLink to GPU 1 and through its adapter, which GPU 1 uses as well.
  Sim broken(unit_cluster(2, 2), "{kind: fluid, calibration: none, faults: [{link: nic0>leaf0, share: 0}]}");
  Time detour{}, usual{};
  broken.send(0, 2, 3, &detour);
  broken.send(1, 3, 3, &usual);
  broken.engine.run();
  EXPECT_EQ(detour, 6_s);
  EXPECT_EQ(usual, 6_s);
}

TEST(Fluid, ALinkThatFailsOnTheWaySendsItsFlowsAround) {
  // Two spines join the leaves; the cable in use fails at 2 s, when 2 of 5 bytes are through: the rest takes the other.
  spec::Cluster c = unit_cluster(8, 1);
  c.fabric.switch_ports = 4;
  const Topology topology(c);
  const Route route = topology.route(GpuId{0}, GpuId{7});
  ASSERT_EQ(topology.links()[route.begin()[1]].kind, LinkKind::leaf);
  const std::string cable = topology.link_name(route.begin()[1]);
  Sim sim(c, fmt::format("{{kind: fluid, calibration: none, faults: [{{link: {}, share: 0, at: 2 s}}]}}", cable));
  Time end{};
  sim.send(0, 7, 5, &end);
  sim.engine.run();
  EXPECT_EQ(end, 5_s);
  const std::vector<LinkUse> use = sim.network->link_use();
  EXPECT_EQ(use[index(route.begin()[1])].bytes, 2) << "on the failed cable";
  EXPECT_EQ(use[index(topology.nic_out(0))].bytes, 5) << "on the adapter, which both paths cross";
}

TEST(Fluid, AFaultAfterTheLastFlowDoesNotKeepTheSimulationRunning) {
  Sim sim(unit_cluster(1, 2),
          "{kind: fluid, calibration: none, faults: [{link: gpu0>nvswitch0, share: 0.5, at: 3 s}]}");
  Time first{}, second{};
  sim.send(0, 1, 2, &first);
  sim.engine.run();
  EXPECT_EQ(sim.engine.now(), 2_s);
  sim.send(0, 1, 2, &second, 10_s);
  sim.engine.run();
  EXPECT_EQ(first, 2_s);
  EXPECT_EQ(second, 14_s) << "2 bytes at half of the rate, from 10 s on";
}

TEST(Fluid, ALinkMaySlowDownOnTheWay) {
  Sim run(unit_cluster(1, 2));
  Time end{};
  run.send(0, 1, 4, &end);
  run.engine.at(2_s, "slow", [&run] { run.network->set_share(run.network->topology().nvlink_out(GpuId{0}), 0.25); });
  run.engine.run();
  EXPECT_EQ(end, 10_s);  // 2 bytes in 2 s, 2 bytes at a quarter
}

TEST(Fluid, CountsBytesBusyTimeAndHotSpots) {
  Sim run(unit_cluster(1, 3), "{kind: fluid, calibration: none, count_pairs: true, sample_interval: 2 s}");
  Time end{};
  run.send(0, 1, 3, &end);
  run.send(2, 1, 1, &end);
  run.engine.run();  // 2 s at half a byte a second each, then 2 s alone
  run.engine.run(8_s);
  const std::vector<LinkUse> use = run.network->link_use();
  const LinkUse& in = use[index(run.network->topology().nvlink_in(GpuId{1}))];
  EXPECT_EQ(in.bytes, 4);
  EXPECT_DOUBLE_EQ(in.busy, 4);
  EXPECT_DOUBLE_EQ(in.saturated, 4);
  EXPECT_EQ(in.most_flows, 2);
  EXPECT_EQ(run.network->pair_bytes(), (std::vector<std::int64_t>{0, 3, 0, 0, 0, 0, 0, 1, 0}));
  std::vector<std::string> samples;
  for (const UtilisationSample& s : run.network->utilisation())
    samples.push_back(fmt::format("{}s {} {}", seconds(s.until), run.network->topology().link_name(s.link), s.share));
  EXPECT_EQ(samples, (std::vector<std::string>{"2s gpu0>nvswitch0 0.5", "2s nvswitch0>gpu1 1", "2s gpu2>nvswitch0 0.5",
                                               "4s gpu0>nvswitch0 1", "4s nvswitch0>gpu1 1"}));
}

TEST(Bottleneck, APortServesItsFlowsInOrder) {
  Sim run(unit_cluster(1, 3), "{kind: bottleneck, calibration: none}");
  Time a{}, b{}, c{};
  run.send(0, 1, 1, &a);
  run.send(0, 2, 4, &b);
  run.send(1, 2, 1, &c);  // into GPU 2 behind the 4 bytes
  run.engine.run();
  EXPECT_EQ(a, 1_s);
  EXPECT_EQ(b, 5_s);
  EXPECT_EQ(c, 5_s);
}
}  // namespace
}  // namespace moesim::network
