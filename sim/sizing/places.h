// Where the instances of a deployment lie, and the ports that they listen on: no two of one node share any.
#pragma once
#include <string>
#include <vector>

#include "sizing/design.h"

namespace moesim::sizing {

/// Instances of a pool that lie on the same GPUs of their nodes, so that one command starts each of them.
struct Place {
  int first = 0;           // GPU of the node
  std::vector<int> nodes;  // of each instance, the first one
};
/// In the order in which serving lays instances out.
std::vector<Place> places_of(const Deployment& deployment, std::size_t pool);

/// "0", "0, 2", "0 to 3"
std::string node_list(const std::vector<int>& nodes);

/// Ports of an instance by its first GPU, far enough from the next one's that those which an engine derives from them
/// stay apart: SGLang takes some up to 240 beyond its own (python/sglang/srt/server_args.py, PortArgs), vLLM's NIXL
/// side channel one a rank.
int server_port(const std::string& engine, int first);
constexpr int kRouterPort = 7999;  // of what stands in front, which may be on one of these nodes
int nccl_port(int first);
int bootstrap_port(int first);
int side_channel_port(int first);
int rpc_port(int first);
}  // namespace moesim::sizing
