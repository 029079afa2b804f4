#include "spec/hardware.h"

#include "spec/catalogue.h"
#include "spec/extend.h"
#include "spec/keys.h"
#include "spec/limits.h"

namespace moesim::spec {
namespace {
bool never(const Config&) { return false; }
template <class T>
void forget_title(T& entry) {
  entry.title.clear();
}

void positive(const Config& config, std::string_view key, bool holds) {
  if (!holds) fail_at(config, key, "must be more than 0");
}
// Ten times the largest that have been built, and few enough to be counted as int.
constexpr int kMostOfNode = 10'000, kMostSms = 100'000, kMostPorts = 2048;
void at_most(const Config& config, std::string_view key, int value, int most) {
  if (value > most) fail_at(config, key, fmt::format("must be at most {}, got {}", most, value));
}
void share(const Config& config, std::string_view key, double value) {
  if (!(value >= 0 && value <= 1)) fail_at(config, key, fmt::format("expected a share from 0 to 1, got {}", value));
}
void finish_gpu(const Config& config, Gpu& gpu, bool) {
  positive(config, "sms", gpu.sms > 0);
  at_most(config, "sms", gpu.sms, kMostSms);
  positive(config, "memory", gpu.memory.v > 0);
  if (gpu.reserve.v < 0 || gpu.reserve >= gpu.memory)
    fail_at(config, "reserve",
            fmt::format("must be 0 or more and below the memory of {:.1f} GB, got {:.1f} GB",
                        double(gpu.memory.v) * 1e-9, double(gpu.reserve.v) * 1e-9));
  positive(config, "memory_bandwidth", gpu.memory_bandwidth.v > 0);
  positive(config, "bf16", gpu.bf16.v > 0);
  positive(config, "nvlink", gpu.nvlink.v > 0);
  share(config, "draw.idle", gpu.draw.idle);
  share(config, "draw.launch", gpu.draw.launch);
  share(config, "draw.memory", gpu.draw.memory);
  share(config, "draw.compute", gpu.draw.compute);
  share(config, "sustained_clock", gpu.sustained_clock);
}
void finish_node(const Config& config, Node& node, bool extends) {
  if (config.has("gpu") || !extends) node.gpu = read_gpu(config.at("gpu"));
  positive(config, "gpus", node.gpus > 0);
  at_most(config, "gpus", node.gpus, kMostOfNode);
  at_most(config, "nics", node.nics, kMostOfNode);
  if (node.nics < 0) fail_at(config, "nics", fmt::format("must be 0 or more, got {}", node.nics));
  if (node.nics > 0) positive(config, "nic", node.nic.v > 0);
}
void finish_fabric(const Config& config, Fabric& fabric, bool) {
  if (fabric.switch_ports < 2)
    fail_at(config, "switch_ports", fmt::format("must be 2 or more, got {}", fabric.switch_ports));
  at_most(config, "switch_ports", fabric.switch_ports, kMostPorts);
  positive(config, "planes", fabric.planes > 0);
  if (!(fabric.oversubscription >= 1))
    fail_at(config, "oversubscription", fmt::format("must be 1 or more, got {}", fabric.oversubscription));
  if (fabric.cross_leaf_latency < fabric.same_leaf_latency)
    fail_at(config, "cross_leaf_latency", "must not be less than same_leaf_latency");
}

/// A cluster's keys; node and fabric are entries of their own and read by finish_cluster.
struct ClusterFields {
  Cluster cluster;
  std::string name, title;
  static void fields(auto& f, auto& p) {
    f.skip("type");
    f("title", p.title, "full name");
    f.skip("node");
    f.required("nodes", p.cluster.nodes, "how many nodes");
    f.skip("fabric");
  }
};
void finish_cluster(const Config& config, ClusterFields& out, bool extends) {
  Cluster& cluster = out.cluster;
  if (config.has("node") || !extends) cluster.node = read_node(config.at("node"));
  if (config.has("fabric") || !extends) cluster.fabric = read_fabric(config.at("fabric"));
  positive(config, "nodes", cluster.nodes > 0);
  at_most(config, "nodes", cluster.nodes, kMostGpus / cluster.node.gpus);
  if (cluster.nodes > 1 && cluster.node.nics == 0)
    fail_at(config, "nodes",
            fmt::format("{} nodes need network adapters, and {} has none", cluster.nodes,
                        cluster.node.name.empty() ? "this node" : cluster.node.name));
}

constexpr EntryKind<Gpu> kGpu = {"hardware", "gpu", forget_title<Gpu>, never, finish_gpu};
constexpr EntryKind<Node> kNode = {"hardware", "node", forget_title<Node>, never, finish_node};
constexpr EntryKind<Fabric> kFabric = {"hardware", "fabric", forget_title<Fabric>, never, finish_fabric};
constexpr EntryKind<ClusterFields> kCluster = {"hardware", "cluster", forget_title<ClusterFields>, never,
                                               finish_cluster};
Cluster named(ClusterFields read) {
  Cluster out = std::move(read.cluster);
  out.name = std::move(read.name);
  out.title = std::move(read.title);
  return out;
}
}  // namespace

std::vector<KeyHelp> cluster_keys() { return keys_of<ClusterFields>(); }

Gpu load_gpu(const std::string& name, const std::string& beside) { return load_entry(kGpu, name, beside); }
Node load_node(const std::string& name, const std::string& beside) { return load_entry(kNode, name, beside); }
Fabric load_fabric(const std::string& name, const std::string& beside) { return load_entry(kFabric, name, beside); }
Cluster load_cluster(const std::string& name, const std::string& beside) {
  return named(load_entry(kCluster, name, beside));
}

Gpu read_gpu(const Config& config) { return read_entry(kGpu, config); }
Node read_node(const Config& config) {
  Node node = read_entry(kNode, config);
  note_fields(config, node.gpu, "gpu");
  return node;
}
Fabric read_fabric(const Config& config) { return read_entry(kFabric, config); }
Cluster read_cluster(const Config& config) {
  Cluster cluster = named(read_entry(kCluster, config));
  note_fields(config, cluster.node, "node");
  note_fields(config, cluster.node.gpu, "node.gpu");
  note_fields(config, cluster.fabric, "fabric");
  return cluster;
}

std::string hardware_type(const std::string& file) {
  const Config config = Config::load(file);
  return config.is_map() && config.has("type") ? config.at("type").text() : "";
}
}  // namespace moesim::spec
