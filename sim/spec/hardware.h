// What a cluster is made of: data-sheet figures of GPUs, nodes and fabrics.  Measured efficiencies live with the
// kernel and network models that use them.
#pragma once
#include <string>

#include "core/config.h"
#include "core/units.h"

namespace moesim::spec {

/// Power by what a GPU does, as shares of its board limit.  Defaults: medians of products on B200 (power_w of NVIDIA
/// aiconfigurator's tables, 229 rows), which other GPUs borrow; idle: assumed.
struct PowerShares {
  double idle = 0.15, launch = 0.33, memory = 0.70, compute = 0.97;
  static void fields(auto& f, auto& p) {
    f("idle", p.idle, "between steps");
    f("launch", p.launch, "kernels that use neither a tenth of the tensor peak nor of the bandwidth, and exchanges");
    f("memory", p.memory, "kernels nearer to the memory's bandwidth than to the tensor peak");
    f("compute", p.compute, "the others");
  }
};

struct Gpu {
  std::string name, title;
  std::string generation;  // ampere, hopper, blackwell: GPUs of one generation share kernel efficiencies
  int sms = 0;
  Bytes memory{};   // as the driver reports it, not the data sheet's round figure
  Bytes reserve{};  // of it, what a program cannot use or takes before its first tensor
  Bandwidth memory_bandwidth{};
  FlopRate bf16{}, fp8{}, fp4{};  // dense, no sparsity; 0 where the GPU lacks the precision
  Bandwidth nvlink{};             // one direction
  Power power{};                  // board limit
  PowerShares draw;               // of it
  Price price{};                  // a GPU-hour
  Bytes l2{};                     // second-level cache; 0 where it is not known
  double sustained_clock = 0;     // under sustained tensor load, relative; 0: as measured on its generation

  Bytes usable() const { return memory - reserve; }

  static void fields(auto& f, auto& p) {
    f.skip("type");
    f("title", p.title, "full name");
    f.required("generation", p.generation,
               "such as hopper or blackwell: GPUs of one share kernel efficiencies (kernels-GENERATION)");
    f.required("sms", p.sms, "streaming multiprocessors");
    f.required("memory", p.memory, "device memory, as the driver reports it");
    f("reserve", p.reserve, "of it, what driver, context and libraries take before the first tensor");
    f.required("memory_bandwidth", p.memory_bandwidth, "of the device memory");
    f.required("bf16", p.bf16, "dense tensor rate");
    f("fp8", p.fp8, "dense tensor rate; 0 if the GPU lacks it");
    f("fp4", p.fp4, "dense tensor rate; 0 if the GPU lacks it");
    f.required("nvlink", p.nvlink, "one direction");
    f.required("power", p.power, "board limit");
    f("draw", p.draw, "shares of the board limit by what the GPU does; default: as measured on B200");
    f("price", p.price, "of a GPU-hour");
    f("l2", p.l2, "second-level cache");
    f("sustained_clock", p.sustained_clock, "under sustained tensor load, relative; 0: as its generation");
  }
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

  static void fields(auto& f, auto& p) {
    f.skip("type");
    f("title", p.title, "full name");
    f.skip("gpu");
    f.required("gpus", p.gpus, "GPUs in one NVLink domain");
    f.required("nics", p.nics, "network adapters");
    f.required("nic", p.nic, "one adapter, one direction");
    f("pcie", p.pcie, "GPU to adapter or host, one direction");
    f("host_memory", p.host_memory, "of the CPUs");
    f("host_bandwidth", p.host_bandwidth, "host memory to one GPU, one direction");
  }
};

enum class FabricKind { rail_leaf_spine, three_level_fat_tree, multi_plane_fat_tree };
constexpr auto enum_names(FabricKind) {
  return std::to_array<std::pair<std::string_view, FabricKind>>(
      {{"rail_leaf_spine", FabricKind::rail_leaf_spine},
       {"three_level_fat_tree", FabricKind::three_level_fat_tree},
       {"multi_plane_fat_tree", FabricKind::multi_plane_fat_tree}});
}

struct Fabric {
  std::string name, title;
  FabricKind kind = FabricKind::rail_leaf_spine;
  int switch_ports = 64;
  int planes = 1;
  double oversubscription = 1;                     // leaf downlink over uplink capacity
  Time same_leaf_latency{}, cross_leaf_latency{};  // 64-byte message, end to end
  Time nvlink_latency{};

  static void fields(auto& f, auto& p) {
    f.skip("type");
    f("title", p.title, "full name");
    f.required("kind", p.kind, "rail_leaf_spine, three_level_fat_tree or multi_plane_fat_tree");
    f("switch_ports", p.switch_ports, "ports of one switch");
    f("planes", p.planes, "separate networks that adapters are spread over");
    f("oversubscription", p.oversubscription, "leaf downlink over uplink capacity");
    f.required("same_leaf_latency", p.same_leaf_latency, "64-byte message through one switch, end to end");
    f.required("cross_leaf_latency", p.cross_leaf_latency, "64-byte message through several switches, end to end");
    f.required("nvlink_latency", p.nvlink_latency, "64-byte message inside an NVLink domain, end to end");
  }
};

/// A cluster as a scenario writes it: a node type, how many, and what joins them.
struct Cluster {
  Node node;
  int nodes = 1;
  Fabric fabric;
  std::string name, title;  // of a catalogue entry; "" for one that a scenario writes out
  int gpus() const { return node.gpus * nodes; }
};
}  // namespace moesim::spec
