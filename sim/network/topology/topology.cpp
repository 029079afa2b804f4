#include "network/topology/topology.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/ceil_div.h"
#include "core/check.h"

namespace moesim::network {
namespace {
[[noreturn]] void refuse(const std::string& key, const std::string& problem) { throw ConfigError(key, problem); }

void check_cluster(const spec::Cluster& c) {
  const spec::Node& node = c.node;
  if (c.nodes < 1) refuse("nodes", fmt::format("must be at least 1, got {}", c.nodes));
  if (node.gpus < 1) refuse("node.gpus", fmt::format("must be at least 1, got {}", node.gpus));
  if (std::int64_t(c.nodes) * node.gpus > 1'000'000)
    refuse("nodes", fmt::format("{} nodes of {} GPUs are more than 1 million GPUs", c.nodes, node.gpus));
  if (node.gpus > 1 && !(node.gpu.nvlink.v > 0))
    refuse("node.gpu.nvlink", "must be above zero in a node of several GPUs");
  if (c.nodes == 1) return;
  if (node.nics < 1) refuse("node.nics", fmt::format("{} nodes without network adapters are not connected", c.nodes));
  if (!(node.nic.v > 0)) refuse("node.nic", "must be above zero where there are several nodes");
  if (node.gpus % node.nics != 0 && node.nics % node.gpus != 0)
    refuse("node.nics", fmt::format("{} adapters cannot be shared evenly by {} GPUs", node.nics, node.gpus));
  const spec::Fabric& fabric = c.fabric;
  if (fabric.switch_ports < 2)
    refuse("fabric.switch_ports", fmt::format("must be at least 2, got {}", fabric.switch_ports));
  if (!(fabric.oversubscription >= 1 && fabric.oversubscription <= fabric.switch_ports - 1))
    refuse("fabric.oversubscription",
           fmt::format("must lie between 1 and {}, got {}", fabric.switch_ports - 1, fabric.oversubscription));
  const int adapters = std::min(node.nics, node.gpus);
  if (fabric.planes < 1 || adapters % fabric.planes != 0)
    refuse("fabric.planes", fmt::format("must divide the {} adapters of a node, got {}", adapters, fabric.planes));
  if (fabric.cross_leaf_latency < fabric.same_leaf_latency)
    refuse("fabric.cross_leaf_latency", "must not be below same_leaf_latency");
}

/// The smallest divisor of n that is at least `least`: bundles of equal size.
int divisor_from(int n, int least) {
  while (n % least != 0) ++least;
  return least;
}
}  // namespace

Topology::Topology(const spec::Cluster& cluster, std::span<const LinkFault> faults) : cluster_(cluster) {
  check_cluster(cluster_);
  build_nodes();
  if (has_nics()) {
    build_adapters();
    build_leaves();
  }
  apply(faults);
}

int Topology::add_vertices(VertexKind kind, int count) {
  const int first = int(vertices_.size());
  for (int i = 0; i < count; ++i) vertices_.push_back({kind, i});
  return first;
}

/// Two links, `below` to `above` and back, that share `latency` between them as two halves of a path.
void Topology::add_pair(LinkKind kind, int below, int above, Bandwidth capacity, Time latency, int cables) {
  const Time up{latency.v / 2};
  links_.push_back({kind, below, above, capacity, up, cables, capacity});
  links_.push_back({kind, above, below, capacity, latency - up, cables, capacity});
}

void Topology::build_nodes() {
  add_vertices(VertexKind::gpu, gpus());
  if (!has_nvlink()) return;
  first_nvswitch_ = add_vertices(VertexKind::nvswitch, nodes());
  for (int g = 0; g < gpus(); ++g)
    add_pair(LinkKind::nvlink, g, first_nvswitch_ + g / gpus_per_node(), cluster_.node.gpu.nvlink,
             cluster_.fabric.nvlink_latency, 1);
}

void Topology::build_adapters() {
  const spec::Node& node = cluster_.node;
  nics_per_node_ = std::min(node.nics, node.gpus);
  const int cables = std::max(1, node.nics / node.gpus);  // adapters that serve one GPU together
  first_nic_vertex_ = add_vertices(VertexKind::nic, nics());
  pcie_links_ = node.pcie.v > 0 && (node.nics < node.gpus || node.pcie < node.nic * cables);
  first_pcie_ = links_.size();
  if (pcie_links_)
    for (int g = 0; g < gpus(); ++g)
      add_pair(LinkKind::pcie, g, first_nic_vertex_ + nic_of(GpuId(g)), node.pcie, {}, 1);
}

void Topology::build_leaves() {
  const spec::Fabric& fabric = cluster_.fabric;
  const int ports = fabric.switch_ports;
  planes_ = fabric.planes;
  const bool rails = fabric.kind == spec::FabricKind::rail_leaf_spine;
  const int plane_rails = nics_per_node_ / planes_;           // adapters of one node in one plane
  const int units = rails ? nodes() : nodes() * plane_rails;  // what the leaves share out among them
  const int columns = rails ? plane_rails : 1;                // sets of leaves that do so side by side
  leaf_units_ = ports;
  leaves_ = columns;
  if (units > ports || columns > 1) {  // several leaves: their ports are split between down and up
    const int down = int(std::floor(ports * fabric.oversubscription / (1 + fabric.oversubscription)));
    // Rails share a leaf only where one leaf a rail would be more than a spine has ports for.
    for (leaf_rails_ = 1;; leaf_rails_ = divisor_from(columns, leaf_rails_ + 1)) {
      leaf_units_ = std::min(units, std::max(1, down / leaf_rails_));
      leaves_ = ceil_div(units, leaf_units_) * (columns / leaf_rails_);
      if (leaves_ <= ports || leaf_rails_ == columns || divisor_from(columns, leaf_rails_ + 1) > down) break;
    }
    leaf_uplinks_ = std::max(1, int(std::ceil(leaf_units_ * leaf_rails_ / fabric.oversubscription - 1e-9)));
  }
  first_leaf_vertex_ = add_vertices(VertexKind::leaf, leaves_ * planes_);
  first_nic_ = links_.size();
  const int cables = std::max(1, cluster_.node.nics / cluster_.node.gpus);
  for (int n = 0; n < nics(); ++n) {
    const Port port = port_of(n);
    add_pair(LinkKind::nic, first_nic_vertex_ + n, first_leaf_vertex_ + port.plane * leaves_ + port.leaf,
             cluster_.node.nic * cables, fabric.same_leaf_latency, cables);
  }
  first_leaf_ = first_core_ = links_.size();
  if (leaves_ == 1) return;
  if (fabric.kind == spec::FabricKind::three_level_fat_tree)
    build_three_levels();
  else
    build_two_levels();
}

/// Every leaf of a plane to every spine of the plane, in bundles of equal cables.
void Topology::build_two_levels() {
  const spec::Fabric& fabric = cluster_.fabric;
  if (leaves_ > fabric.switch_ports)
    refuse("fabric", fmt::format("{} nodes need {} leaf switches a plane, but a spine has {} ports; take "
                                 "switches with more ports, more planes or a three_level_fat_tree",
                                 nodes(), leaves_, fabric.switch_ports));
  spines_ = divisor_from(leaf_uplinks_, ceil_div(leaves_ * leaf_uplinks_, fabric.switch_ports));
  const int cables = leaf_uplinks_ / spines_;
  first_spine_ = add_vertices(VertexKind::spine, spines_ * planes_);
  for (int leaf = 0; leaf < leaves_ * planes_; ++leaf)
    for (int spine = 0; spine < spines_; ++spine)
      add_pair(LinkKind::leaf, first_leaf_vertex_ + leaf, first_spine_ + leaf / leaves_ * spines_ + spine,
               cluster_.node.nic * double(cables), fabric.cross_leaf_latency - fabric.same_leaf_latency, cables);
}

/// Pods of leaves and aggregation switches; aggregation switch j of every pod meets the others in core group j.
void Topology::build_three_levels() {
  const spec::Fabric& fabric = cluster_.fabric;
  const int ports = fabric.switch_ports;
  const Time hop = fabric.cross_leaf_latency - fabric.same_leaf_latency;
  pod_leaves_ = leaves_ > ports ? std::max(1, ports / 2) : leaves_;  // one pod's aggregation may use all its ports
  pods_ = ceil_div(leaves_, pod_leaves_);
  if (pods_ > ports)
    refuse("fabric", fmt::format("{} nodes need {} pods, but a core switch has {} ports; take switches with "
                                 "more ports or more planes",
                                 nodes(), pods_, ports));
  spines_ = pods_ > 1 ? leaf_uplinks_ : divisor_from(leaf_uplinks_, ceil_div(leaves_ * leaf_uplinks_, ports));
  const int cables = leaf_uplinks_ / spines_;
  first_spine_ = add_vertices(VertexKind::spine, spines_ * pods_ * planes_);
  for (int leaf = 0; leaf < leaves_ * planes_; ++leaf) {
    const int pod = leaf / leaves_ * pods_ + leaf % leaves_ / pod_leaves_;
    for (int spine = 0; spine < spines_; ++spine)
      add_pair(LinkKind::leaf, first_leaf_vertex_ + leaf, first_spine_ + pod * spines_ + spine,
               cluster_.node.nic * double(cables), hop, cables);
  }
  first_core_ = links_.size();
  if (pods_ == 1) return;
  const int uplinks = pod_leaves_;  // as many cables up as down: no oversubscription above the leaves
  cores_ = divisor_from(uplinks, ceil_div(pods_ * uplinks, ports));
  const int core_cables = uplinks / cores_;
  first_core_vertex_ = add_vertices(VertexKind::core, cores_ * spines_ * planes_);
  for (int a = 0; a < spines_ * pods_ * planes_; ++a) {
    const int plane = a / (spines_ * pods_), group = a % spines_;
    for (int core = 0; core < cores_; ++core)
      add_pair(LinkKind::core, first_spine_ + a, first_core_vertex_ + (plane * spines_ + group) * cores_ + core,
               cluster_.node.nic * double(core_cables), hop, core_cables);
  }
}

void Topology::apply(std::span<const LinkFault> faults) {
  for (std::size_t i = 0; i < faults.size(); ++i) {
    const LinkFault& fault = faults[i];
    const std::string here = fmt::format("faults[{}]", i);
    if (!(fault.share >= 0 && fault.share <= 1))
      refuse(here + ".share", fmt::format("must lie between 0 and 1, got {}", fault.share));
    const LinkId link = at_key(here, [&] { return link_called(fault.link); });
    if (fault.at.v == 0) set_share(link, fault.share);
  }
}

LinkId Topology::link_called(std::string_view name) const {
  for (std::size_t l = 0; l < links_.size(); ++l)
    if (link_name(LinkId(l)) == name) return LinkId(l);
  std::string others;  // from the same point
  const std::string_view from = name.substr(0, name.find('>'));
  for (std::size_t l = 0, found = 0; l < links_.size() && found < 8; ++l)
    if (vertex_name(links_[LinkId(l)].from) == from)
      others += fmt::format("{}{}", found++ > 0 ? ", " : "; there are: ", link_name(LinkId(l)));
  refuse("link", fmt::format("there is no link \"{}\"{}", name, others));
}

void Topology::set_share(LinkId link, double share) {
  links_[link].capacity = links_[link].built * share;
  any_failed_ = any_failed_ || share == 0;
}

int Topology::nic_of(GpuId gpu) const {
  return int(index(node_of(gpu))) * nics_per_node_ + local_index(gpu) * nics_per_node_ / gpus_per_node();
}

std::string Topology::vertex_name(int vertex) const {
  const Vertex& v = vertices_.at(std::size_t(vertex));
  return fmt::format("{}{}", name_of(v.kind), v.number);
}

std::string Topology::link_name(LinkId link) const {
  return vertex_name(links_[link].from) + ">" + vertex_name(links_[link].to);
}
}  // namespace moesim::network
