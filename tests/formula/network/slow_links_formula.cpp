// Exchanges where one GPU's links are slower than the others': rows of 1 byte, ports of 1 B/s, one of them of half.
#include <gtest/gtest.h>

#include "common/exchange_loads.h"
#include "common/test_cluster.h"
#include "network/exchanges/exchange.h"

namespace moesim::network {
namespace {

/// When the second GPU has the four rows that the first one sends it, one of the two with half the rate.
Time arrival(const std::string& kind, ExchangeKernel kernel, ExchangeDirection direction, int nodes, int slow) {
  Engine engine;
  const std::string gpu = std::to_string(slow), port = nodes == 1 ? "gpu" + gpu : "nic" + gpu,
                    other = nodes == 1 ? "nvswitch0" : "leaf0";
  const auto network = test::make_network("{kind: " + kind + ", calibration: none, faults: [{link: " + port + ">" +
                                              other + ", share: 0.5}, {link: " + other + ">" + port + ", share: 0.5}]}",
                                          engine, test::unit_cluster(nodes, 2 / nodes));
  const ExchangeGroup group(network->topology(), GpuId{0}, 2);
  exchange::ExchangeLoad load = test::even_load({2, 2 / nodes}, 0);
  // Tokens of one GPU whose expert the other one has; a combine brings back what a dispatch took there.
  const std::size_t there = direction == ExchangeDirection::dispatch ? 1 : 2;
  load.rows_to_gpu[there] = load.tokens_to_gpu[there] = 4;
  if (nodes == 2) load.tokens_to_node[there] = 4;
  Time end{-1};
  const auto exchange = open_exchange(*network, group, {kernel, direction, 1_B, 20, true}, load, [&](int member) {
    if (member == 1) end = engine.now();
  });
  for (int m = 0; m < 2; ++m) exchange->join(m);
  engine.run();
  return end;
}

TEST(SlowLinks, RowsTakeTheRateOfTheSlowerOfTheTwoTheyPass) {
  for (const char* kind : {"bottleneck", "fluid"})
    for (const ExchangeKernel kernel : {ExchangeKernel::deepep_low_latency, ExchangeKernel::deepep_normal})
      for (const ExchangeDirection direction : {ExchangeDirection::dispatch, ExchangeDirection::combine})
        for (const int nodes : {1, 2})
          for (const int slow : {0, 1})
            EXPECT_EQ(arrival(kind, kernel, direction, nodes, slow), 8_s)
                << kind << ", " << name_of(kernel) << ", "
                << (direction == ExchangeDirection::dispatch ? "dispatch" : "combine") << ", " << nodes
                << " nodes, GPU " << slow << " slow";
}
}  // namespace
}  // namespace moesim::network
