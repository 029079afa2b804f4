// Exchanges on unit hardware: rows of 1 byte, 1 B/s ports.
#include <gtest/gtest.h>

#include "common/exchange_loads.h"
#include "common/test_cluster.h"
#include "network/exchanges/exchange.h"

namespace moesim::network {
namespace {
constexpr ExchangeSpec kNormal{ExchangeKernel::deepep_normal, ExchangeDirection::dispatch, 1_B, 20, true};

/// Arrival of every member when all join at `ready`, under the network that `text` says.
std::vector<Time> arrivals(const spec::Cluster& cluster, const std::string& text, const ExchangeSpec& spec,
                           const exchange::ExchangeLoad& load, const std::vector<Time>& ready) {
  Engine engine;
  const auto network = test::make_network(text, engine, cluster);
  const ExchangeGroup group(network->topology(), GpuId{0}, load.gpus);
  std::vector<Time> out(ready.size(), Time{-1});
  const auto exchange =
      open_exchange(*network, group, spec, load, [&](int member) { out[std::size_t(member)] = engine.now(); });
  for (int m = 0; m < load.gpus; ++m) engine.at(ready[std::size_t(m)], "join", [&exchange, m] { exchange->join(m); });
  engine.run();
  EXPECT_TRUE(exchange->finished());
  return out;
}

std::vector<std::string> both() {
  return {"{kind: fluid, calibration: none}", "{kind: bottleneck, calibration: none}"};
}

TEST(Exchange, OneNodeDispatchIsBoundByThePortWithMostRows) {
  // GPU 0 sends 2 rows to GPU 1 and 1 to GPU 2; GPU 2 sends 2 rows to GPU 1: 4 rows go into GPU 1.
  exchange::ExchangeLoad load = test::even_load({3, 3}, 0);
  load.rows_to_gpu = load.tokens_to_gpu = {9, 2, 1, 0, 9, 0, 0, 2, 9};
  for (const std::string& text : both()) {
    const std::vector<Time> end = arrivals(test::unit_cluster(1, 3), text, kNormal, load, {{}, {}, {}});
    EXPECT_EQ(end[0], 0_s) << text;  // nothing but the counts
    EXPECT_EQ(end[1], 4_s) << text;
  }
}

TEST(Exchange, ATokenCrossesTheAdapterOncePerNodeAndIsForwarded) {
  // GPU 0 of node 0 sends 6 tokens to node 1, each to both GPUs there: 6 bytes over the adapter, 6 over NVLink.
  exchange::ExchangeLoad load = test::even_load({4, 2}, 0);
  load.rows_to_gpu[2] = load.rows_to_gpu[3] = load.tokens_to_gpu[2] = load.tokens_to_gpu[3] = 6;
  load.tokens_to_node[1] = 6;
  for (const std::string& text : both()) {
    const std::vector<Time> end = arrivals(test::unit_cluster(2, 2), text, kNormal, load, {{}, {}, {}, {}});
    EXPECT_EQ(end[2], 6_s) << text;
    EXPECT_EQ(end[3], 6_s) << text;  // forwarded while it comes in
  }
  // Straight to each GPU: 12 bytes over the adapter.
  ExchangeSpec direct = kNormal;
  direct.kernel = ExchangeKernel::deepep_low_latency;
  for (const std::string& text : both())
    EXPECT_EQ(arrivals(test::unit_cluster(2, 2), text, direct, load, {{}, {}, {}, {}})[3], 12_s) << text;
}

TEST(Exchange, TheForwardedTailFollowsTheLastByte) {
  exchange::ExchangeLoad load = test::even_load({4, 2}, 0);
  load.rows_to_gpu[3] = load.tokens_to_gpu[3] = 8;  // GPU 0 to GPU 3, by way of GPU 2
  load.tokens_to_node[1] = 8;
  NetworkCalibration calibration;
  calibration.normal_dispatch.forward_tail = calibration.normal_combine.forward_tail = 0.25;
  const Topology topology(test::unit_cluster(2, 2));
  const ExchangeGroup group(topology, GpuId{0}, 4);
  std::vector<Time> ready(4), end(4);
  ExchangeTimes(group, calibration, kNormal)(load, ready, end);
  EXPECT_EQ(end[3], 10_s);  // 8 in, then a quarter of 8
  EXPECT_EQ(end[2], 8_s);
  ExchangeSpec combine = kNormal;
  combine.direction = ExchangeDirection::combine;
  ExchangeTimes(group, calibration, combine)(load, ready, end);
  EXPECT_EQ(end[0], 10_s);  // the mirror image: 8 over NVLink, the last quarter then over the adapter
}

TEST(Exchange, CombineIsDispatchTheOtherWayRound) {
  exchange::ExchangeLoad load = test::even_load({4, 2}, 0);
  load.rows_to_gpu[2] = load.rows_to_gpu[3] = load.tokens_to_gpu[2] = load.tokens_to_gpu[3] = 6;
  load.tokens_to_node[1] = 6;
  ExchangeSpec combine = kNormal;
  combine.direction = ExchangeDirection::combine;
  for (const std::string& text : both()) {
    const std::vector<Time> end = arrivals(test::unit_cluster(2, 2), text, combine, load, {{}, {}, {}, {}});
    EXPECT_EQ(end[0], 6_s) << text;  // 6 sums of two come back
  }
}

TEST(Exchange, NobodyIsDoneBeforeTheLastHasJoined) {
  const exchange::ExchangeLoad load = test::even_load({4, 2}, 1);
  const std::vector<Time> ready{5_s, 0_s, 0_s, 100_s};
  for (const std::string& text : both())
    for (const Time end : arrivals(test::unit_cluster(2, 2), text, kNormal, load, ready)) EXPECT_GE(end, 100_s) << text;
}

TEST(Exchange, AStragglerDelaysWhatItSends) {
  // Rows between all pairs of one node of 3, 2 each way; GPU 2 joins 10 s late and then needs 4 s.
  const exchange::ExchangeLoad load = test::even_load({3, 3}, 2);
  for (const std::string& text : both()) {
    const std::vector<Time> end = arrivals(test::unit_cluster(1, 3), text, kNormal, load, {0_s, 0_s, 10_s});
    EXPECT_EQ(end[0], 14_s) << text;
    EXPECT_EQ(end[1], 14_s) << text;
    EXPECT_EQ(end[2], 10_s) << text;  // what it needs came long before
  }
}

TEST(Exchange, AStragglerDelaysWhatIsForwardedForIt) {
  // GPU 0 joins 10 s late and sends 6 tokens to GPU 3 of the other node: 6 s by adapter, 12 s by half as fast an
  // NVLink.
  exchange::ExchangeLoad load = test::even_load({4, 2}, 0);
  load.rows_to_gpu[3] = load.tokens_to_gpu[3] = 6;
  load.tokens_to_node[1] = 6;
  spec::Cluster cluster = test::unit_cluster(2, 2);
  cluster.node.gpu.nvlink = {0.5};
  for (const std::string& text : both())
    EXPECT_EQ(arrivals(cluster, text, kNormal, load, {10_s, 0_s, 0_s, 0_s})[3], 22_s) << text;
}

TEST(Exchange, ARelaysOwnRowsAndThoseItHandsOnStandInOneQueue) {
  // GPU 0 has 2 rows of its own and 4 of GPU 3 on the other node for GPU 1, and 6 for GPU 2.
  exchange::ExchangeLoad load = test::even_load({6, 3}, 0);
  load.rows_to_gpu[1] = load.tokens_to_gpu[1] = 2;
  load.rows_to_gpu[2] = load.tokens_to_gpu[2] = 6;
  load.rows_to_gpu[3 * 6 + 1] = load.tokens_to_gpu[3 * 6 + 1] = load.tokens_to_node[3 * 2] = 4;
  const std::string fluid = both().front();
  // Two queues of 6 rows share the NVLink evenly; as three flows, 4 rows would be through after 10 s.
  const std::vector<Time> together = arrivals(test::unit_cluster(2, 3), fluid, kNormal, load, std::vector<Time>(6));
  EXPECT_EQ(together[1], 12_s);
  EXPECT_EQ(together[2], 12_s);
  // Own rows do not wait for a source that is late.
  const std::vector<Time> late =
      arrivals(test::unit_cluster(2, 3), fluid, kNormal, load, {0_s, 0_s, 0_s, 100_s, 0_s, 0_s});
  EXPECT_EQ(late[1], 104_s);
  EXPECT_EQ(late[2], 100_s);  // the counts
}

TEST(Exchange, TheLibrarySendsEveryRowByItselfOnceCountsAreKnown) {
  // One token of GPU 0 has two experts on GPU 1: two rows, where DeepEP sends one copy.
  exchange::ExchangeLoad load = test::even_load({2, 2}, 0);
  load.rows_to_gpu[1] = 2;
  load.tokens_to_gpu[1] = load.tokens_to_node[0] = 1;
  ExchangeSpec spec = kNormal;
  for (const std::string& text : both()) {
    spec.kernel = ExchangeKernel::deepep_normal;
    EXPECT_EQ(arrivals(test::unit_cluster(1, 2), text, spec, load, {{}, {}})[1], 1_s) << text;
    spec.kernel = ExchangeKernel::all_to_all;
    spec.direction = ExchangeDirection::combine;
    EXPECT_EQ(arrivals(test::unit_cluster(1, 2), text, spec, load, {{}, {}})[0], 2_s) << text;
    spec.direction = ExchangeDirection::dispatch;  // two slots' counts of 8 bytes go round first
    EXPECT_EQ(arrivals(test::unit_cluster(1, 2), text, spec, load, {{}, {}})[1], 18_s) << text;
  }
}

TEST(Exchange, TheFullestPortHoldsTheLibraryUpThoughTheMeanIsLow) {
  // GPU 0 sends 9 rows to GPU 1; all else is idle.
  exchange::ExchangeLoad load = test::even_load({3, 3}, 0);
  load.rows_to_gpu[1] = load.tokens_to_gpu[1] = load.tokens_to_node[0] = 9;
  ExchangeSpec spec = kNormal;
  spec.kernel = ExchangeKernel::all_to_all;
  spec.direction = ExchangeDirection::combine;
  for (const std::string& text : both())
    EXPECT_EQ(arrivals(test::unit_cluster(1, 3), text, spec, load, {{}, {}, {}})[0], 9_s) << text;
}

TEST(Exchange, AGatherBringsEveryTokenToEveryGpu) {
  // 6 tokens of 3 GPUs go round a ring: each GPU sends the 4 that its neighbour lacks, whatever the experts need.
  exchange::ExchangeLoad load = test::even_load({3, 3}, 0);
  load.tokens = 6;
  ExchangeSpec spec = kNormal;
  spec.kernel = ExchangeKernel::all_gather;
  for (const ExchangeDirection direction : {ExchangeDirection::dispatch, ExchangeDirection::combine}) {
    spec.direction = direction;
    for (const std::string& text : both())
      for (const Time end : arrivals(test::unit_cluster(1, 3), text, spec, load, {0_s, 5_s, 0_s}))
        EXPECT_EQ(end, 9_s) << text;
  }
}

TEST(Exchange, HybridSendsWhatNormalKernelsDoAtItsOwnRates) {
  exchange::ExchangeLoad load = test::even_load({4, 2}, 0);
  load.rows_to_gpu[3] = load.tokens_to_gpu[3] = 8;  // GPU 0 to GPU 3, by way of GPU 2
  load.tokens_to_node[1] = 8;
  NetworkCalibration calibration;
  calibration.hybrid_dispatch.nic_share = 0.5;
  const Topology topology(test::unit_cluster(2, 2));
  const ExchangeGroup group(topology, GpuId{0}, 4);
  ExchangeSpec spec = kNormal;
  std::vector<Time> ready(4), end(4);
  spec.kernel = ExchangeKernel::hybrid;
  ExchangeTimes(group, calibration, spec)(load, ready, end);
  EXPECT_EQ(end[3], 16_s);
}

TEST(Exchange, RowsCarryScalesAndMetadata) {
  EXPECT_EQ(fp8_row(7168), Bytes{7168 + 224 + 16});
  EXPECT_EQ(bf16_row(7168), Bytes{14336});
}

/// One node of 8 GPUs whose SMs copy 1 GB/s together, 0.125 GB/s each; of 8 a GPU unless said otherwise.
struct SlowSms {
  explicit SlowSms(NetworkCalibration::Kernel kernel = {})
      : topology(test::h800_cluster(1)), group(topology, GpuId{0}, 8) {
    calibration.normal_dispatch = kernel;
    calibration.normal_dispatch.sm_rate = 0.125_GBps;
    calibration.normal_dispatch.overlap = 64;  // copying alone counts, as it takes 200 times as long
    spec.row = 1'000'000_B;
    spec.sms = 8;
  }
  /// When all is there without the counts' latency; every GPU sends `rows` tokens to each, its own among them.
  Time end(int rows) const {
    std::vector<Time> ready(8), out(8);
    ExchangeTimes(group, calibration, spec)(test::even_load({8, 8}, rows), ready, out);
    return out[0] - 3330_ns;
  }
  Topology topology;
  ExchangeGroup group;
  NetworkCalibration calibration;
  ExchangeSpec spec = kNormal;
};

TEST(Exchange, FewSmsCopySlower) {
  SlowSms node;  // 8 rows of 1 MB at 1 GB/s
  EXPECT_NEAR(seconds(node.end(1)), 8e-3, 2e-12);
  node.spec.sms = 4;
  EXPECT_NEAR(seconds(node.end(1)), 16e-3, 2e-12);
}

/// A GPU's 8 tokens have a copy each.
TEST(Exchange, ATokenCostsSmsWhateverItsCopies) {
  NetworkCalibration::Kernel kernel;
  kernel.token = 2'000'000_B;
  EXPECT_NEAR(seconds(SlowSms(kernel).end(1)), 24e-3, 2e-12);
  kernel.token = {};
  kernel.token_rows = 2;  // of 1 MB
  EXPECT_NEAR(seconds(SlowSms(kernel).end(1)), 24e-3, 2e-12);
}

/// A GPU's 8 tokens take 8 ms on 8 SMs, so that each SM handles one, in 8 ms.
TEST(Exchange, TheFirstTokensGoThroughWithNothingElseToDo) {
  NetworkCalibration::Kernel kernel;
  kernel.lead = 1.0 / 8;
  EXPECT_NEAR(seconds(SlowSms(kernel).end(1)), 9e-3, 2e-12);
  kernel.lead = 0;
  kernel.fill = 2.0 / 8;
  kernel.fill_at = 1;  // half of it, at the one token an SM handles
  EXPECT_NEAR(seconds(SlowSms(kernel).end(1)), 9e-3, 2e-12);
}

TEST(Exchange, FlowsTakeTheSmsTimeAsTheClosedFormDoes) {
  NetworkCalibration::Kernel kernel;
  kernel.token_rows = 1.5;
  kernel.lead = 2;
  kernel.fill = 3;
  const SlowSms node(kernel);
  ExchangeRates rates(node.group, node.calibration, node.spec);
  const ExchangeMix mix = mix_of(test::even_load({8, 8}, 3), node.group, ExchangeKernel::deepep_normal);
  rates.carry(mix);
  // Every GPU sends 21 of its 24 rows over NVLink, at the rate that the SMs leave.
  EXPECT_NEAR(seconds(node.end(3)), seconds(rates.fixed) + 21e6 / rates.nvlink[0], 1e-9);
  EXPECT_EQ(mix.crossing, 8 * 21);
}
}  // namespace
}  // namespace moesim::network
