#include "sizing/places.h"

#include <fmt/format.h>

#include <algorithm>

namespace moesim::sizing {

std::vector<Place> places_of(const Deployment& d, std::size_t pool) {
  const int per_node = d.node->node.gpus;
  const serving::Places places = d.places();
  std::vector<Place> out;
  for (const int gpu : places[pool]) {
    const auto at = std::ranges::find(out, gpu % per_node, &Place::first);
    Place& place = at != out.end() ? *at : out.emplace_back(Place{gpu % per_node, {}});
    place.nodes.push_back(gpu / per_node);
  }
  return out;
}

std::string node_list(const std::vector<int>& nodes) {
  std::string out;
  for (std::size_t i = 0; i < nodes.size();) {
    std::size_t last = i;
    while (last + 1 < nodes.size() && nodes[last + 1] == nodes[last] + 1) ++last;
    if (!out.empty()) out += ", ";
    out += last > i ? fmt::format("{} to {}", nodes[i], nodes[last]) : fmt::to_string(nodes[i]);
    i = last + 1;
  }
  return out;
}

int server_port(const std::string& engine, int first) {
  return engine == "sglang" ? 30000 + 250 * first : 8000 + first;
}
int nccl_port(int first) { return server_port("sglang", first) + 245; }
int bootstrap_port(int first) { return 8998 + first; }
int side_channel_port(int first) { return 5600 + first; }
int rpc_port(int first) { return 13345 + first; }
}  // namespace moesim::sizing
