// What the user is told when a network cannot be built or used.
#include <gtest/gtest.h>

#include <fstream>

#include "common/exchange_loads.h"
#include "common/test_cluster.h"
#include "network/collectives/collective.h"
#include "network/exchanges/exchange.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::network {
namespace {
std::string of(const spec::Cluster& cluster, const std::vector<LinkFault>& faults = {}) {
  return test::refusal_of([&] { Topology(cluster, faults); });
}

TEST(Reject, DisconnectedClusters) {
  spec::Cluster c = test::unit_cluster(2, 2);
  c.node.nics = 0;
  EXPECT_EQ(of(c), "node.nics: 2 nodes without network adapters are not connected");
  c = test::unit_cluster(2, 1);
  EXPECT_EQ(test::refusal_of([&] {
              const Topology t(c, std::vector<LinkFault>{{"nic0>leaf0", 0}});
              t.route(GpuId{0}, GpuId{1});
            }),
            "the failed links leave no path from GPU 0 to GPU 1");
}
TEST(Reject, ZeroBandwidth) {
  spec::Cluster c = test::unit_cluster(1, 2);
  c.node.gpu.nvlink = {0};
  EXPECT_EQ(of(c), "node.gpu.nvlink: must be above zero in a node of several GPUs");
  c = test::unit_cluster(2, 1);
  c.node.nic = {0};
  EXPECT_EQ(of(c), "node.nic: must be above zero where there are several nodes");
}
TEST(Reject, CountsThatDoNotFit) {
  spec::Cluster c = test::unit_cluster(2, 4);
  c.node.nics = 3;
  EXPECT_EQ(of(c), "node.nics: 3 adapters cannot be shared evenly by 4 GPUs");
  c = test::unit_cluster(2, 4);
  c.fabric.planes = 3;
  EXPECT_EQ(of(c), "fabric.planes: must divide the 4 adapters of a node, got 3");
  c = test::unit_cluster(100, 1);
  c.fabric.switch_ports = 4;
  EXPECT_EQ(of(c),
            "fabric: 100 nodes need 50 leaf switches a plane, but a spine has 4 ports; take switches with more "
            "ports, more planes or a three_level_fat_tree");
  c.fabric.oversubscription = 0.5;
  EXPECT_EQ(of(c), "fabric.oversubscription: must lie between 1 and 3, got 0.5");
}
TEST(Reject, Faults) {
  const spec::Cluster c = test::unit_cluster(1, 2);
  EXPECT_EQ(of(c, {{"gpu7>nvswitch0", 0.5}}), "faults[0].link: there is no link \"gpu7>nvswitch0\"");
  EXPECT_EQ(of(test::unit_cluster(2, 2), {{"nic1>leaf7", 0.5}}),
            "faults[0].link: there is no link \"nic1>leaf7\"; there are: nic1>leaf1");
  EXPECT_EQ(of(c, {{"gpu0>nvswitch0", 2}}), "faults[0].share: must lie between 0 and 1, got 2");
}
TEST(Reject, ALinkThatFailsWhereThereIsNoOtherPath) {
  Engine engine;
  const auto network =
      test::make_network("{kind: fluid, calibration: none, faults: [{link: nic1>leaf0, share: 0, at: 1 s}]}", engine,
                         test::unit_cluster(2, 1));
  network->send(GpuId{1}, GpuId{0}, 5_B, [] {});
  EXPECT_EQ(test::refusal_of([&] { engine.run(); }), "the failed links leave no path from GPU 1 to GPU 0");
  EXPECT_EQ(test::refusal_of([&] {
              test::make_network("{kind: bottleneck, faults: [{link: nic1>leaf0, share: 0, at: 1 s}]}", engine,
                                 test::unit_cluster(2, 1));
            }),
            "network.yaml:1:62: faults[0].at: 1 s: only kind: fluid has flows for a later fault to meet");
  EXPECT_EQ(test::refusal_of([&] {
              test::make_network("{kind: bottleneck, faults: [{link: nic1>leaf0, share: 0, at: 1 ps}]}", engine,
                                 test::unit_cluster(2, 1));
            }),
            "network.yaml:1:62: faults[0].at: 1 ps: only kind: fluid has flows for a later fault to meet");
}
TEST(Reject, NetworkParameters) {
  Engine engine;
  const spec::Cluster c = test::unit_cluster(1, 2);
  const auto with = [&](const std::string& text) {
    return test::refusal_of([&] { test::make_network(text, engine, c); });
  };
  EXPECT_EQ(with("{kind: fluid, calibration: none, tolerance: 1}"),
            "network.yaml:1:45: tolerance: must be at least 0 and below 1, got 1");
  EXPECT_EQ(with("{kind: bottleneck, sample_interval: 999 ns}"),
            "network.yaml:1:37: sample_interval: must be 0 s or at least 1 us, got 999 ns");
  EXPECT_EQ(with("{kind: fluyd}"), "network.yaml:1:8: kind: no network is called \"fluyd\"; did you mean \"fluid\"?");
  EXPECT_NE(with("{kind: fluid, calibration: network-x1}").find("no network_calibration is called \"network-x1\""),
            std::string::npos);
}
TEST(Reject, TransfersThatNoClockCanTime) {
  const std::string said =
      "something takes longer than the 106 days that the simulated clock counts: a rate is too low or a size too large";
  for (const std::string kind : {"fluid", "bottleneck"}) {
    Engine engine;
    const auto network =
        test::make_network("{kind: " + kind + ", calibration: none}", engine, test::unit_cluster(2, 1));
    const auto send = [&](std::int64_t bytes) {
      return test::refusal_of([&] {
        network->send(GpuId{0}, GpuId{1}, {bytes}, [] {});
        engine.run();
      });
    };
    EXPECT_EQ(send(9'000'000), "accepted") << "1 B/s";
    EXPECT_EQ(send(9'000'000), said) << "and as long again";
  }
}
TEST(Reject, AGroupOrTransferThatNamesAMissingGpu) {
  const Topology topology(test::unit_cluster(1, 4));
  EXPECT_EQ(test::refusal_of([&] { ExchangeGroup(topology, GpuId{2}, 4); }),
            "an exchange group names GPU 4, but the cluster has 4");
  EXPECT_THROW((void)topology.route(GpuId{0}, GpuId{4}), std::logic_error);
}
TEST(Reject, LoadsNoExchangeCarries) {
  const Topology topology(test::unit_cluster(1, 4));
  const ExchangeGroup group(topology, GpuId{0}, 4);
  const ExchangeSpec spec{ExchangeKernel::deepep_normal, ExchangeDirection::dispatch, 1000_B, 20, true};
  exchange::ExchangeLoad load = test::even_load({4, 4}, 2);
  const auto said = [&] { return test::refusal_of([&] { check_load(load, group, spec, "layer 3"); }); };
  EXPECT_EQ(said(), "accepted");
  load.rows_to_gpu[6] = -1;
  EXPECT_EQ(said(), "layer 3: -1 rows from GPU 1 to GPU 2");
  load = test::even_load({8, 4}, 2);
  EXPECT_EQ(said(), "layer 3: traffic of 8 GPUs on 2 nodes, but the group has 4 on 1");
  load = test::even_load({4, 4}, 1 << 28);
  ExchangeSpec wide = spec;
  wide.row = {std::int64_t(1) << 40};
  EXPECT_EQ(test::refusal_of([&] { check_load(load, group, wide, "layer 3"); }),
            "layer 3: traffic of more than 2^62 bytes");
}
TEST(Reject, ACollectiveThatDoesNotFit) {
  const Topology topology(test::unit_cluster(2, 1));
  const std::vector<GpuId> members{GpuId{0}, GpuId{1}};
  EXPECT_EQ(test::refusal_of([&] {
              (void)collective_time(topology, {}, Collective::all_reduce, CollectiveAlgorithm::in_switch, members, 8_B);
            }),
            "in_switch does not do all_reduce of 2 GPUs on 2 nodes");
}
/// What a calibration of these lines, from the third on, is refused with: behind the file's name.
std::string calibration_refusal(const std::string& lines) {
  const TemporaryFolder folder;
  const std::string file = folder.file("mine.yaml");
  std::ofstream(file) << "type: network_calibration\ntitle: mine\n" << lines;
  return test::refusal_of([&] { (void)load_network_calibration(file); }).substr(file.size());
}

TEST(Reject, ExchangeKernels) {
  const auto with = [](const std::string& kernel) { return calibration_refusal("normal_combine:\n" + kernel); };
  EXPECT_EQ(with("  lead: -1\n"), ":4:9: normal_combine.lead: must be at least 0, got -1");
  EXPECT_EQ(with("  token_rows: -0.5\n"), ":4:15: normal_combine.token_rows: must be at least 0, got -0.5");
  EXPECT_EQ(with("  nvlink_share: 2\n"),
            ":4:17: normal_combine.nvlink_share: must lie above 0 and at most at 1, got 2");
}
TEST(Reject, CollectiveProtocols) {
  const auto with = [](const std::string& protocols) { return calibration_refusal("collectives:\n" + protocols); };
  const std::string pairs = "  - {shape: pairs}\n";
  EXPECT_EQ(with("  - {shape: ring}\n"), ":4:3: collectives: must have a protocol of shape pairs");
  EXPECT_EQ(with("  - {shape: ring, nvlink_share: 1.5}\n" + pairs),
            ":4:33: collectives[0].nvlink_share: must lie above 0 and at most at 1, got 1.5");
  EXPECT_EQ(with(pairs + "  - {shape: ring, channels: 0}\n"),
            ":5:29: collectives[1].channels: must be at least 1, got 0");
  EXPECT_EQ(with("  - {estimate: {share: -1}}\n"),
            ":4:24: collectives[0].estimate.share: must lie between 0 and 1, got -1");
  EXPECT_EQ(with("  - {launch: -1 us}\n"), ":4:14: collectives[0].launch: expected a time of 0 or more, got \"-1 us\"");
  EXPECT_EQ(with("  - {shape: rings}\n"),
            ":4:13: collectives[0].shape: \"rings\" is not known here; did you mean \"ring\"?");
  EXPECT_EQ(with("  - {channel_rate: 5}\n"),
            ":4:20: collectives[0].channel_rate: expected a bandwidth with a unit (B/s, MB/s, GB/s, TB/s, GiB/s, Mbps, "
            "Gbps, Tbps), got \"5\"");
  EXPECT_EQ(with("  - {width: 5 B}\n"),
            ":4:6: collectives[0]: unknown key \"width\"; known keys: shape, nvlink_share, nic_share, launch, step, "
            "post, part_rate, channel_rate, channels, grain, estimate");
  EXPECT_EQ(with("  shape: ring\n"), ":4:3: collectives: expected a list");
}
TEST(Reject, EnginesAllReduce) {
  const auto with = [](const std::string& e) { return calibration_refusal("engine_all_reduce:\n  - {" + e + "}\n"); };
  EXPECT_EQ(with("kernels: a, nvlink_share: 1.5"),
            ":4:32: engine_all_reduce[0].nvlink_share: must lie above 0 and at most at 1, got 1.5");
  EXPECT_EQ(with("launch: 1 us"), ":4:5: engine_all_reduce[0]: missing key \"kernels\"");
  EXPECT_EQ(with("kernels: a, peer: -1 us"),
            ":4:24: engine_all_reduce[0].peer: expected a time of 0 or more, got \"-1 us\"");
}
TEST(Reject, AFailedPortInClosedForm) {
  const Topology topology(test::unit_cluster(2, 1), std::vector<LinkFault>{{"nic1>leaf0", 0}});
  const ExchangeGroup group(topology, GpuId{0}, 2);
  EXPECT_EQ(test::refusal_of([&] {
              ExchangeTimes(group, {}, {ExchangeKernel::deepep_normal, ExchangeDirection::dispatch, 1_B});
            }),
            "adapter 1 of the group has failed, and only network kind fluid goes around");
}
}  // namespace
}  // namespace moesim::network
