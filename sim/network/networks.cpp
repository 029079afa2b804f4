// The family of network models.
#include "network/network.h"

namespace moesim {

Strategy<Network, Engine&, const Cluster&> bottleneck_network(), fluid_network();

const Family<Network, Engine&, const Cluster&>& networks() {
  static const Family<Network, Engine&, const Cluster&> family("network", {bottleneck_network(), fluid_network()});
  return family;
}
}  // namespace moesim
