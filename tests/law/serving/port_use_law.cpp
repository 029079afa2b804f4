// Sharing of ports by bytes a step, against flows that share them fairly.
#include "serving/step/port_use.h"

#include <gtest/gtest.h>

#include "common/exchange_loads.h"
#include "common/test_cluster.h"
#include "core/random.h"

namespace moesim::serving {
namespace {
/// The end of a combine over 16 GPUs on two nodes with fluid flows, and a stream beside it from GPU 3 to GPU 11.
Time fluid_end(const exchange::ExchangeLoad& load, const network::ExchangeSpec& spec, Bytes beside) {
  Engine engine;
  const auto network = test::make_network("{kind: fluid, calibration: none}", engine, test::h800_cluster(2));
  const network::ExchangeGroup group(network->topology(), GpuId{0}, 16);
  Time last{};
  const auto exchange = network::open_exchange(*network, group, spec, load, [&](int) { last = engine.now(); });
  if (beside.v > 0) network->send(GpuId{3}, GpuId{11}, beside, [] {});
  for (int m = 0; m < 16; ++m) exchange->join(m);
  engine.run();
  return last;
}

TEST(PortUse, TakesAtLeastWhatFairlySharingFlowsTake) {
  const network::Topology topology(test::h800_cluster(2));
  const network::ExchangeGroup group(topology, GpuId{0}, 16);
  for (const network::ExchangeKernel kernel :
       {network::ExchangeKernel::deepep_low_latency, network::ExchangeKernel::deepep_normal})
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      const network::ExchangeSpec spec{kernel, network::ExchangeDirection::combine, 14336_B, 20, true};
      const exchange::ExchangeLoad load = test::drawn_load({16, 8}, 256, 4, std::vector<double>(32, 1.0), seed);
      const Time alone = fluid_end(load, spec, {});
      for (const double part : {0.1, 0.3, 1.0}) {  // of what the port could carry meanwhile
        const Bytes beside{std::int64_t(part * 50e9 * seconds(alone))};
        const Time with = fluid_end(load, spec, beside);
        PortUse ports(group, network::NetworkCalibration{});
        ports.stepped(seconds(alone));  // a step that is all exchange: nowhere else to go
        ports.add(3, double(beside.v));
        ASSERT_EQ(ports.left().size(), 1u);
        const double estimate = seconds(alone) / ports.left()[0].share;
        EXPECT_GE(seconds(with), seconds(alone) * 0.999);
        EXPECT_LE(seconds(with), estimate * 1.02) << part << " seed " << seed;
        EXPECT_LE(estimate, seconds(alone) * std::min(2.0, 1 / (1 - part)) * 1.0001);
      }
    }
}

TEST(PortUse, EveryByteCrossesOnceAndNeverMoreThanHalfThePort) {
  const network::Topology topology(test::h800_cluster(2));
  const network::ExchangeGroup group(topology, GpuId{0}, 16);
  Random random(3, "ports");
  for (int run = 0; run < 50; ++run) {
    PortUse ports(group, network::NetworkCalibration{});
    double added = 0, crossed = 0;
    for (int step = 0; step < 3000; ++step) {
      if (step < 20) {
        const double bytes = random.uniform() * 5e8;
        ports.add(5, bytes, random.uniform() < 0.5 ? 0 : random.uniform());
        added += bytes;
      }
      const double length = 0.01;
      const auto left = ports.left();
      ASSERT_LE(left.size(), 1u);
      if (!left.empty()) {
        EXPECT_EQ(left[0].gpu, 5);
        EXPECT_GE(left[0].share, 0.5);
        if (step > 0) crossed += (1 - left[0].share) * ports.rate(5) * length;
      }
      ports.stepped(length);
    }
    EXPECT_LE(crossed, added * (1 + 1e-9));
    EXPECT_GT(crossed, added * 0.9);  // shares below a hundredth of the port are not told
    EXPECT_TRUE(ports.left().empty());
  }
}
}  // namespace
}  // namespace moesim::serving
