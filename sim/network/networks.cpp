// The family of network models.
#include "network/network.h"

namespace moesim::network {

Strategy<Network, Engine&, const spec::Cluster&> bottleneck_network(), fluid_network();

const Family<Network, Engine&, const spec::Cluster&>& networks() {
  static const Family<Network, Engine&, const spec::Cluster&> family("network",
                                                                     {bottleneck_network(), fluid_network()});
  return family;
}

std::unique_ptr<Network> make_network(const Config& scenario, Engine& engine, const spec::Cluster& cluster) {
  scenario.at("cluster").placed([&] { Topology{cluster}; });  // what is wrong without any fault is the cluster's
  return networks().make_or(scenario, "network", "bottleneck", engine, cluster);
}
}  // namespace moesim::network
