// The links of a cluster and the path of links between any two GPUs, worked out from the cluster's shape: no tables of
// pairs, so ten thousand GPUs cost a few megabytes.
#pragma once
#include <array>
#include <span>
#include <string>
#include <vector>

#include "core/ids.h"
#include "core/units.h"
#include "spec/hardware.h"

namespace moesim {

enum class LinkKind : std::uint8_t {
  nvlink,  ///< GPU to NVSwitch, or back
  pcie,    ///< GPU to network adapter, or back; only where it can be slower than the adapter or adapters are shared
  nic,     ///< adapter to leaf switch, or back
  leaf,    ///< leaf switch to spine or aggregation switch, or back: all cables between the two together
  core     ///< aggregation switch to core switch, or back
};
std::string_view name_of(LinkKind kind);

/// A point of the network: GPUs first (vertex g is GPU g), then NVSwitch domains, adapters, leaf, spine, core switches.
enum class VertexKind : std::uint8_t { gpu, nvswitch, nic, leaf, spine, core };
struct Vertex {
  VertexKind kind{};
  int number = 0;  // among its kind
  int plane = 0;
};

/// One direction of a cable (or of a bundle of equal cables between the same two points).
struct Link {
  LinkKind kind{};
  int from = 0, to = 0;  // vertices
  Bandwidth capacity{};
  Time latency{};  // a path's latency is the sum over its links
  int cables = 1;
};

/// The links from one GPU to another, in order; empty from a GPU to itself.
class Route {
 public:
  void add(LinkId link) { links_.at(size_++) = link; }
  const LinkId* begin() const { return links_.data(); }
  const LinkId* end() const { return links_.data() + size_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  operator std::span<const LinkId>() const { return {links_.data(), size_}; }

 private:
  std::array<LinkId, 14> links_{};  // PCIe, adapter, 2 x (leaf, core), adapter, PCIe and an NVLink hop at either end
  std::uint32_t size_ = 0;
};

/// A link that works at a share of its rate; 0 is a failed link, which routes go around.
struct LinkFault {
  std::string link;  // as Topology::link_name() prints it
  double share = 0;
  static void fields(auto& f, auto& p) {
    f.required("link", p.link, "FROM>TO, for example nic3>leaf0 or gpu5>nvswitch0");
    f.required("share", p.share, "of its rate that is left; 0 has failed");
  }
};

/// What `moesim show` prints of a cluster's network.
struct TopologySummary {
  int gpus = 0, nvswitch_domains = 0, nics = 0, leaves = 0, spines = 0, cores = 0;
  std::size_t links = 0;   // directed
  std::size_t cables = 0;  // between switches and adapters, both directions together
  Bandwidth bisection{};   // between the first and the second half of the nodes, one direction; 0 for one node
  Bandwidth injection{};   // what one half's adapters could send
};

class Topology {
 public:
  /// Throws ConfigError naming the cluster's field for what cannot be built: no bandwidth where there is traffic, nodes
  /// without adapters, more nodes than the switches have ports for, counts that do not divide.
  explicit Topology(const Cluster& cluster, std::span<const LinkFault> faults = {});

  const Cluster& cluster() const { return cluster_; }
  int gpus() const { return cluster_.gpus(); }
  int nodes() const { return cluster_.nodes; }
  int gpus_per_node() const { return cluster_.node.gpus; }
  NodeId node_of(GpuId gpu) const { return NodeId(index(gpu) / std::size_t(cluster_.node.gpus)); }
  /// Position within the node.
  int local_index(GpuId gpu) const { return int(index(gpu) % std::size_t(cluster_.node.gpus)); }
  /// The adapter a GPU sends through.
  int nic_of(GpuId gpu) const;

  const std::vector<Vertex>& vertices() const { return vertices_; }
  const IdVector<LinkId, Link>& links() const { return links_; }
  std::string vertex_name(int vertex) const;
  std::string link_name(LinkId link) const;

  /// NVLink inside a node; else over the adapters, with an NVLink hop at the source's node first if the two GPUs'
  /// adapters are in planes that never meet.  Among equal paths a hash of (from, to) picks one (ECMP), so the same pair
  /// always takes the same path.  O(1) without failed links.  Throws ConfigError if failed links leave no path,
  /// std::logic_error if a GPU is not in the cluster.
  Route route(GpuId from, GpuId to) const;
  /// Over the adapters even inside a node (low-latency kernels without NVLink).
  Route nic_route(GpuId from, GpuId to) const;
  Time latency(std::span<const LinkId> route) const;

  /// The NVLink of a GPU, outwards and inwards.  Only for nodes of several GPUs.
  LinkId nvlink_out(GpuId gpu) const { return LinkId(2 * index(gpu)); }
  LinkId nvlink_in(GpuId gpu) const { return LinkId(2 * index(gpu) + 1); }
  /// The cables of an adapter.  Only for several nodes.
  LinkId nic_out(int nic) const { return LinkId(first_nic_ + 2 * std::size_t(nic)); }
  LinkId nic_in(int nic) const { return LinkId(first_nic_ + 2 * std::size_t(nic) + 1); }

  TopologySummary summary() const;

 private:
  struct Tier;  // how many switches of each level there are and what an uplink carries
  void build_nodes();
  void build_fabric();
  void apply(std::span<const LinkFault> faults);
  int add_vertices(VertexKind kind, int count, int plane);
  LinkId add_pair(LinkKind kind, int below, int above, Bandwidth capacity, Time latency, int cables);
  Route fabric_route(int from_nic, int to_nic, std::uint64_t hash) const;
  Route detour(int from_vertex, int to_vertex) const;
  bool works(std::span<const LinkId> route) const;
  Route over_adapters(GpuId from, GpuId to) const;

  Cluster cluster_;
  std::vector<Vertex> vertices_;
  IdVector<LinkId, Link> links_;
  IdVector<LinkId, bool> failed_;
  bool any_failed_ = false;
  bool pcie_links_ = false;
  int first_nvswitch_ = 0, first_nic_vertex_ = 0, first_leaf_vertex_ = 0;
  std::size_t first_pcie_ = 0, first_nic_ = 0, first_leaf_ = 0, first_core_ = 0;
  int nics_ = 0;        // in all
  int planes_ = 1;      // fabrics that never meet
  int down_ports_ = 0;  // adapters a leaf serves
  int leaves_per_plane_ = 0;
  int spines_per_plane_ = 0;  // three levels: aggregation switches a pod
  int pods_ = 0, leaves_per_pod_ = 0, cores_per_group_ = 0;
};

/// Graphviz text: every switch and every cable pair; GPUs of a node as one box.
std::string topology_dot(const Topology& topology);
/// The same as a self-contained SVG picture, levels from GPUs (bottom) to spines (top).  Nodes beyond the 16 first of a
/// large cluster are left out and counted in the caption.
std::string topology_svg(const Topology& topology);
}  // namespace moesim
