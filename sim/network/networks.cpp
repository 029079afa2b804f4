// The family of network models.
#include "network/network.h"

namespace moesim {

Strategy<Network, Engine&, const Cluster&> bottleneck_network(), fluid_network();

const Family<Network, Engine&, const Cluster&>& networks() {
  static const Family<Network, Engine&, const Cluster&> family("network", {bottleneck_network(), fluid_network()});
  return family;
}

std::unique_ptr<Network> make_network(const Config& scenario, Engine& engine, const Cluster& cluster) {
  scenario.at("cluster").placed([&] { Topology{cluster}; });  // what is wrong without any fault is the cluster's
  return networks().make_or(scenario, "network", "bottleneck", engine, cluster);
}
}  // namespace moesim
