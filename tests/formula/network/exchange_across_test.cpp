// What exchanges take besides bytes: posts, counts and relays between nodes, and SMs that have little to send.
#include <gtest/gtest.h>

#include "common/exchange_loads.h"
#include "common/test_cluster.h"
#include "network/exchanges/exchange.h"

namespace moesim::network {
namespace {
using Kernel = NetworkCalibration::Kernel;

/// When the last of a group of unit hardware has all of an exchange without rows, `slots` slots in all.
Time empty(int nodes, int per_node, int slots, const ExchangeSpec& spec, const NetworkCalibration& calibration) {
  exchange::ExchangeLoad load = test::even_load({nodes * per_node, per_node}, 0);
  load.slots = slots;
  const Topology topology(test::unit_cluster(nodes, per_node));
  const ExchangeGroup group(topology, GpuId{0}, load.gpus);
  std::vector<Time> ready(std::size_t(load.gpus)), end(ready.size());
  ExchangeTimes(group, calibration, spec)(load, ready, end);
  return std::ranges::max(end);
}

TEST(ExchangeAcross, CountsOfSlotsBeyondTheNodeTakeTheAdaptersTime) {
  NetworkCalibration c;
  c.low_latency_dispatch.count = 1_s;
  c.low_latency_dispatch.nic_count = 10_s;
  ExchangeSpec spec{ExchangeKernel::deepep_low_latency, ExchangeDirection::dispatch, 1_B};
  EXPECT_EQ(empty(1, 4, 8, spec, c), 8_s);
  EXPECT_EQ(empty(2, 2, 8, spec, c), 48_s);  // half of them on the other node
  spec.nvlink = false;
  EXPECT_EQ(empty(2, 2, 8, spec, c), 68_s);  // all but a GPU's own two
}

TEST(ExchangeAcross, APostIsPaidOnceAndAPeerForEachNode) {
  NetworkCalibration c;
  c.low_latency_combine.post = 3_s;
  c.normal_combine.notify = 5_s;
  c.normal_combine.peer = 2_s;
  ExchangeSpec spec{ExchangeKernel::deepep_low_latency, ExchangeDirection::combine, 1_B};
  EXPECT_EQ(empty(1, 2, 2, spec, c), 0_s);
  EXPECT_EQ(empty(2, 2, 4, spec, c), 3_s);
  EXPECT_EQ(empty(4, 2, 8, spec, c), 3_s);
  spec.kernel = ExchangeKernel::deepep_normal;
  EXPECT_EQ(empty(1, 2, 2, spec, c), 0_s);
  EXPECT_EQ(empty(2, 2, 4, spec, c), 7_s);
  EXPECT_EQ(empty(4, 2, 8, spec, c), 11_s);
}

TEST(ExchangeAcross, ARelayedTokenCostsSmsMoreThanOneOfTheirOwnNode) {
  const Topology topology(test::h800_cluster(2));
  const ExchangeGroup group(topology, GpuId{0}, 16);
  const ExchangeMix mix = mix_of(test::even_load({16, 8}, 4), group, ExchangeKernel::deepep_normal);
  EXPECT_EQ(mix.relayed, mix.tokens / 2);
  const auto rates = [&](double token_rows, double relay_rows) {
    NetworkCalibration c;
    c.normal_dispatch.sm_rate = 1_GBps;
    c.normal_dispatch.lead = 3;
    c.normal_dispatch.token_rows = token_rows;
    c.normal_dispatch.relay_rows = relay_rows;
    ExchangeRates out(group, c, {ExchangeKernel::deepep_normal, ExchangeDirection::dispatch, 7168_B});
    out.carry(mix);
    return std::pair(out.fixed, out.nvlink[0]);
  };
  EXPECT_EQ(rates(1, 0), rates(0, 2));
  EXPECT_GT(rates(0, 2).first, rates(0, 0).first);
  EXPECT_LT(rates(0, 2).second, rates(0, 0).second);
}

/// 8 H800 with a slot each: 8 of their SMs send.  Every GPU sends `rows` one-row tokens to each.
Time with_few_slots(const std::string& kind, const NetworkCalibration& c, ExchangeDirection direction, int rows) {
  const ExchangeSpec spec{ExchangeKernel::deepep_low_latency, direction, 1'000'000_B};
  spec::Cluster cluster = test::h800_cluster(1);
  cluster.node.gpu.sms = 132;
  const Topology topology(cluster);
  const ExchangeGroup group(topology, GpuId{0}, 8);
  if (kind == "rates") {
    ExchangeRates rates(group, c, spec);
    rates.carry(mix_of(test::even_load({8, 8}, rows), group, spec.kernel));
    return rates.sending;
  }
  std::vector<Time> ready(8), end(8);
  ExchangeTimes(group, c, spec)(test::even_load({8, 8}, rows), ready, end);
  return end[0] - 3330_ns;
}

TEST(ExchangeAcross, FewSlotsSendFromFewSms) {
  NetworkCalibration c;
  c.low_latency_dispatch.pace = 1_s;
  c.low_latency_combine.sm_rate = {1e6};
  for (const std::string kind : {"rates", "closed"}) {
    // 8 rows a GPU, 8 SMs: one token each; and of a combine 1 MB each at 1 MB/s.
    EXPECT_EQ(with_few_slots(kind, c, ExchangeDirection::dispatch, 1), 1_s) << kind;
    EXPECT_EQ(with_few_slots(kind, c, ExchangeDirection::dispatch, 3), 3_s) << kind;
    EXPECT_EQ(with_few_slots(kind, c, ExchangeDirection::combine, 3), 3_s) << kind;
  }
}
}  // namespace
}  // namespace moesim::network
