// What a cluster is made of: data-sheet figures of GPUs, nodes and fabrics.  Measured efficiencies live with the
// kernel and network models that use them.
#pragma once
#include <string>

#include "core/config.h"
#include "core/units.h"

namespace moesim {

struct Gpu {
  std::string name, title;
  std::string generation;  // ampere, hopper, blackwell: GPUs of one generation share kernel efficiencies
  int sms = 0;
  Bytes memory{};
  Bandwidth memory_bandwidth{};
  FlopRate bf16{}, fp8{}, fp4{};  // dense, no sparsity; 0 where the GPU lacks the precision
  Bandwidth nvlink{};             // one direction
  Power power{};                  // board limit
  Price price{};                  // a GPU-hour
};

struct Node {
  std::string name, title;
  Gpu gpu;
  int gpus = 8;  // in one NVLink domain
  int nics = 8;
  Bandwidth nic{};   // one NIC, one direction
  Bandwidth pcie{};  // GPU to NIC or host, one direction
  Bytes host_memory{};
  Bandwidth host_bandwidth{};  // host memory to one GPU, one direction
};

enum class FabricKind { rail_leaf_spine, three_level_fat_tree, multi_plane_fat_tree };
template <>
struct EnumNames<FabricKind> {
  static constexpr std::pair<std::string_view, FabricKind> table[] = {
      {"rail_leaf_spine", FabricKind::rail_leaf_spine},
      {"three_level_fat_tree", FabricKind::three_level_fat_tree},
      {"multi_plane_fat_tree", FabricKind::multi_plane_fat_tree}};
};

struct Fabric {
  std::string name, title;
  FabricKind kind = FabricKind::rail_leaf_spine;
  int switch_ports = 64;
  int planes = 1;
  double oversubscription = 1;                     // leaf downlink over uplink capacity
  Time same_leaf_latency{}, cross_leaf_latency{};  // 64-byte message, end to end
  Time nvlink_latency{};
};

/// A cluster as a scenario writes it: a node type, how many, and what joins them.
struct Cluster {
  Node node;
  int nodes = 1;
  Fabric fabric;
  int gpus() const { return node.gpus * nodes; }
};
}  // namespace moesim
