// Exchanges for tests: loads from token lists that are drawn here, kernels, how long one takes.
#pragma once
#include <string>
#include <vector>

#include "common/test_cluster.h"
#include "core/random.h"
#include "exchange/exchanger.h"
#include "network/exchanges/exchange.h"
#include "routing/traffic.h"

namespace moesim::test {

/// Every source's tokens pick top_k experts with the given weights; experts lie in order, evenly, on the GPUs.
inline exchange::ExchangeLoad drawn_load(const spec::GroupShape& group, int tokens_per_source, int top_k,
                                         const std::vector<double>& weights, std::uint64_t seed) {
  Random random(seed, "load");
  const Discrete draw(weights);
  routing::Traffic traffic;
  traffic.sources = group.gpus;
  traffic.tokens.assign(std::size_t(group.gpus), tokens_per_source);
  for (int t = 0; t < group.gpus * tokens_per_source; ++t) {
    std::vector<std::int16_t> mine;
    while (int(mine.size()) < top_k) {
      const auto expert = std::int16_t(draw(random));
      if (std::find(mine.begin(), mine.end(), expert) == mine.end()) mine.push_back(expert);
    }
    traffic.choices.insert(traffic.choices.end(), mine.begin(), mine.end());
  }
  const int experts = int(weights.size());
  routing::count_rows({experts, top_k, 1, 1}, traffic);
  exchange::ExchangeLoad load;
  exchange::Exchanger(exchange::contiguous_map(experts, group.gpus), group)(traffic, load);
  return load;
}

/// Every source sends the same number of rows to every GPU; each of its tokens goes to exactly one GPU.
inline exchange::ExchangeLoad even_load(const spec::GroupShape& group, int rows) {
  exchange::ExchangeLoad load;
  load.gpus = group.gpus;
  load.nodes = group.nodes();
  load.slots = group.gpus;
  load.tokens = std::int64_t(rows) * group.gpus * group.gpus;
  const auto n = std::size_t(group.gpus);
  load.rows_to_gpu.assign(n * n, rows);
  load.tokens_to_gpu = load.rows_to_gpu;
  load.tokens_to_node.assign(n * std::size_t(load.nodes), rows * group.gpus_per_node);
  load.slot_rows.assign(n, rows * group.gpus);
  return load;
}

/// When the last member of one exchange on H800 nodes has all it needs, under a `kind` of network.
inline Time last_arrival(const std::string& kind, const network::ExchangeSpec& spec,
                         const exchange::ExchangeLoad& load) {
  Engine engine;
  const auto network =
      make_network("{kind: " + kind + ", calibration: network-h800}", engine, h800_cluster(load.nodes));
  const network::ExchangeGroup group(network->topology(), GpuId{0}, load.gpus);
  Time last{};
  const auto exchange = network::open_exchange(*network, group, spec, load, [&](int) { last = engine.now(); });
  for (int m = 0; m < load.gpus; ++m) exchange->join(m);
  engine.run();
  return last;
}

/// All kernels, both directions, with NVLink and without where a kernel can do without; rows of V3 in FP8.
inline std::vector<network::ExchangeSpec> exchange_specs() {
  std::vector<network::ExchangeSpec> out;
  for (const auto& [name, kernel] : enum_names(network::ExchangeKernel{}))
    for (const network::ExchangeDirection direction :
         {network::ExchangeDirection::dispatch, network::ExchangeDirection::combine})
      for (const bool nvlink : {true, false})
        if (nvlink || kernel == network::ExchangeKernel::deepep_low_latency)
          out.push_back({kernel, direction, 7408_B, 20, nvlink});
  return out;
}
}  // namespace moesim::test
