#include "exchange/port_load.h"

#include <algorithm>

#include "exchange/relay.h"

namespace moesim::exchange {

PortLoad::PortLoad(int gpus) : nic_out(std::size_t(gpus)), nic_in(nic_out), nvlink_out(nic_out), nvlink_in(nic_out) {}

void PortLoad::add(const ExchangeLoad& load, const spec::GroupShape& group) {
  for (int source = 0; source < group.gpus; ++source) {
    const auto from = std::size_t(source);
    each_crossing(group, source, &load.tokens_to_node[from * std::size_t(load.nodes)],
                  [&](int, int relay, std::int32_t tokens) {
                    nic_out[from] += tokens;
                    nic_in[std::size_t(relay)] += tokens;
                  });
    const std::int32_t* const to_gpu = &load.tokens_to_gpu[from * std::size_t(load.gpus)];
    for (int to = 0; to < group.gpus; ++to) {
      const int relay = relay_of(group, source, group.node_of(to));
      if (to == relay) continue;
      nvlink_out[std::size_t(relay)] += to_gpu[to];
      nvlink_in[std::size_t(to)] += to_gpu[to];
    }
  }
}

void PortLoad::add(const ExchangeSums& sums, const spec::GroupShape& group) {
  const double gpus = group.gpus;
  for (int g = 0; g < group.gpus; ++g) {
    const int relayed = relayed_sources(group, g);
    nic_in[std::size_t(g)] += sums.node_tokens(group.node_of(g)) * (relayed - 1) / gpus;
    nvlink_in[std::size_t(g)] += sums.gpu_tokens(g) * (gpus - relayed) / gpus;
  }
}

double PortLoad::busiest_nic() const { return std::max(std::ranges::max(nic_in), std::ranges::max(nic_out)); }
double PortLoad::busiest_nvlink() const { return std::max(std::ranges::max(nvlink_in), std::ranges::max(nvlink_out)); }
}  // namespace moesim::exchange
