// One exchange from the first join to the last arrival, and what links carried.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common/exchange_loads.h"
#include "common/test_cluster.h"
#include "network/exchanges/exchange.h"

namespace moesim::network {
struct Outcome {
  std::vector<Time> end;
  std::vector<LinkUse> use;
  Time last() const { return *std::max_element(end.begin(), end.end()); }
};

inline Outcome run(const spec::Cluster& cluster, const std::string& text, const ExchangeSpec& spec,
                   const exchange::ExchangeLoad& load, const std::vector<int>& join_order) {
  Engine engine;
  const auto network = test::make_network(text, engine, cluster);
  const ExchangeGroup group(network->topology(), GpuId{0}, load.gpus);
  Outcome out;
  out.end.resize(std::size_t(load.gpus), Time{-1});
  const auto exchange =
      open_exchange(*network, group, spec, load, [&](int member) { out.end[std::size_t(member)] = engine.now(); });
  for (const int m : join_order) exchange->join(m);
  engine.run();
  EXPECT_TRUE(exchange->finished());
  out.use = network->link_use();
  return out;
}

inline std::vector<int> in_order(int n) {
  std::vector<int> out;
  for (int i = 0; i < n; ++i) out.push_back(i);
  return out;
}

inline std::vector<double> log_normal_weights(int experts, double sigma, std::uint64_t seed) {
  Random random(seed, "weights");
  std::vector<double> out;
  for (int e = 0; e < experts; ++e) out.push_back(random.log_normal(0, sigma));
  return out;
}
}  // namespace moesim::network
