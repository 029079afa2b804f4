// The links of a cluster and the path of links between any two GPUs, worked out from the cluster's shape: no tables of
// pairs, so ten thousand GPUs cost a few megabytes.
#pragma once
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/ids.h"
#include "core/units.h"
#include "spec/hardware.h"

namespace moesim::network {

enum class LinkKind : std::uint8_t {
  nvlink,  ///< GPU to NVSwitch, or back
  pcie,    ///< GPU to network adapter, or back; only where it can be slower than the adapter or adapters are shared
  nic,     ///< adapter to leaf switch, or back
  leaf,    ///< leaf switch to spine or aggregation switch, or back
  core     ///< aggregation switch to core switch, or back
};
constexpr auto enum_names(LinkKind) {
  return std::to_array<std::pair<std::string_view, LinkKind>>({{"nvlink", LinkKind::nvlink},
                                                               {"pcie", LinkKind::pcie},
                                                               {"nic", LinkKind::nic},
                                                               {"leaf", LinkKind::leaf},
                                                               {"core", LinkKind::core}});
}
inline constexpr std::size_t kLinkKinds = 5;

/// A point of the network: GPUs first (vertex g is GPU g), then NVSwitch domains, adapters, leaf, spine, core switches.
enum class VertexKind : std::uint8_t { gpu, nvswitch, nic, leaf, spine, core };
constexpr auto enum_names(VertexKind) {
  return std::to_array<std::pair<std::string_view, VertexKind>>({{"gpu", VertexKind::gpu},
                                                                 {"nvswitch", VertexKind::nvswitch},
                                                                 {"nic", VertexKind::nic},
                                                                 {"leaf", VertexKind::leaf},
                                                                 {"spine", VertexKind::spine},
                                                                 {"core", VertexKind::core}});
}
struct Vertex {
  VertexKind kind{};
  int number = 0;  // among its kind
};

/// One direction of a cable, or of a bundle of equal cables between the same two points.
struct Link {
  LinkKind kind{};
  int from = 0, to = 0;  // vertices
  Bandwidth capacity{};  // all cables of the bundle
  Time latency{};        // a path's latency is the sum over its links
  int cables = 1;
  Bandwidth built{};  // capacity before any fault
};

/// The links from one GPU to another, in order; empty from a GPU to itself.
class Route {
 public:
  void add(LinkId link) { links_.at(size_++) = link; }
  const LinkId* begin() const { return links_.data(); }
  const LinkId* end() const { return links_.data() + size_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  std::array<LinkId, 14> links_{};  // PCIe, adapter, leaf, core; down again the same; an NVLink hop (2) at either end
  std::uint32_t size_ = 0;
};

/// A link that works at a share of its rate; 0 is a failed link, which routes go around.  From `at` on; a later fault
/// of the same link takes its place.
struct LinkFault {
  std::string link;  // as Topology::link_name() prints it
  double share = 0;
  Time at{};
  static void fields(auto& f, auto& p) {
    f.required("link", p.link, "FROM>TO, for example nic3>leaf0 or gpu5>nvswitch0");
    f.required("share", p.share, "of its rate that is left; 0 has failed");
    f("at", p.at, "when it happens: flows on their way slow down or go around (kind: fluid)");
  }
};

/// What `moesim show` prints of a cluster's network.
struct TopologySummary {
  int gpus = 0, nvswitch_domains = 0, nics = 0, leaves = 0, spines = 0, cores = 0;
  std::int64_t endpoint_cables = 0;  // adapter to leaf
  std::int64_t switch_cables = 0;    // switch to switch
  Bandwidth domain_bisection{};      // of NVLink in one node: half of its GPUs to the rest
  Bandwidth bisection{};             // largest flow from the first half of the nodes to the rest; 0 for one node
  Bandwidth injection{};             // what the first half's adapters could send
  double fabric_cost = 0;            // US dollars, switches and cables between them; see kSwitchCost
  int switches() const { return leaves + spines + cores; }
};
/// Prices that reproduce the published costs of two- and three-level fat trees, slim fly and dragonfly within 2 %: for
/// example 72 M$ for 768 switches and 16,384 cables, 491 M$ for 5,120 and 131,072.  Adapters come with the GPUs.
/// Source: Insights into DeepSeek-V3 (ISCA 2025, arXiv 2505.09343), table 3, solved for switches and links.
inline constexpr double kSwitchCost = 81'900, kSwitchCableCost = 550;

class Topology {
 public:
  /// Faults at time 0 are in force from the start; of the others only the names and shares are checked.
  /// Throws ConfigError at the cluster's key for what cannot be built: no bandwidth where there is traffic, nodes
  /// without adapters, more nodes than the switches have ports for, counts that do not divide, faults of links that are
  /// not there.
  explicit Topology(const spec::Cluster& cluster, std::span<const LinkFault> faults = {});

  const spec::Cluster& cluster() const { return cluster_; }
  int gpus() const { return cluster_.gpus(); }
  int nodes() const { return cluster_.nodes; }
  int gpus_per_node() const { return cluster_.node.gpus; }
  NodeId node_of(GpuId gpu) const { return NodeId(index(gpu) / std::size_t(cluster_.node.gpus)); }
  /// Position within the node.
  int local_index(GpuId gpu) const { return int(index(gpu) % std::size_t(cluster_.node.gpus)); }
  /// The adapter a GPU sends through, numbered over the cluster.  Only for several nodes.
  int nic_of(GpuId gpu) const;
  int nics() const { return nics_per_node_ * cluster_.nodes; }

  const std::vector<Vertex>& vertices() const { return vertices_; }
  const IdVector<LinkId, Link>& links() const { return links_; }
  std::string vertex_name(int vertex) const;
  std::string link_name(LinkId link) const;
  /// Throws ConfigError at key `link` if no link is called so.
  LinkId link_called(std::string_view name) const;
  /// From now on the link works at this share, in [0, 1], of the rate it was built with.
  void set_share(LinkId link, double share);
  /// The vertex of an adapter.  Only if has_nics().
  int nic_vertex(int nic) const { return first_nic_vertex_ + nic; }

  /// NVLink inside a node; else over the adapters, with an NVLink hop at the source's node first if the two GPUs'
  /// adapters are in planes that never meet.  Among equal paths a hash of (from, to) picks one (ECMP), so a pair always
  /// takes the same path.  O(1) without failed links.  Throws ConfigError if failed links leave no path,
  /// std::logic_error if a GPU is not in the cluster.
  Route route(GpuId from, GpuId to) const;
  /// Over the adapters even inside a node (low-latency kernels without NVLink), where there are adapters.
  Route nic_route(GpuId from, GpuId to) const;
  Time latency(std::span<const LinkId> route) const;
  /// The slowest link's capacity; infinite for an empty route.
  Bandwidth capacity(std::span<const LinkId> route) const;

  bool has_nvlink() const { return cluster_.node.gpus > 1; }
  bool has_nics() const { return cluster_.nodes > 1; }
  /// Whether PCIe can hold back an adapter: else a GPU and its adapter are one end of a path.
  bool has_pcie_links() const { return pcie_links_; }
  /// The NVLink of a GPU, outwards and inwards.  Only if has_nvlink().
  LinkId nvlink_out(GpuId gpu) const { return LinkId(2 * index(gpu)); }
  LinkId nvlink_in(GpuId gpu) const { return LinkId(2 * index(gpu) + 1); }
  /// An adapter's cables.  Only if has_nics().
  LinkId nic_out(int nic) const { return LinkId(first_nic_ + 2 * std::size_t(nic)); }
  LinkId nic_in(int nic) const { return LinkId(first_nic_ + 2 * std::size_t(nic) + 1); }

  TopologySummary summary() const;

 private:
  int add_vertices(VertexKind kind, int count);
  void add_pair(LinkKind kind, int below, int above, Bandwidth capacity, Time latency, int cables);
  void build_nodes();
  void build_adapters();
  void build_leaves();
  void build_two_levels();
  void build_three_levels();
  void apply(std::span<const LinkFault> faults);

  struct Port {  // where an adapter is plugged in
    int plane, leaf;
  };
  Port port_of(int nic) const;
  bool works(std::span<const LinkId> route) const;
  Route over_adapters(GpuId from, GpuId to, std::uint64_t hash) const;
  void climb(Route& route, Port from, Port to, std::uint64_t hash) const;
  Route working(GpuId from, GpuId to, bool use_nvlink) const;
  Route detour(GpuId from, GpuId to) const;
  LinkId leaf_link(int leaf, int spine, bool down) const;
  LinkId core_link(int aggregation, int core, bool down) const;

  spec::Cluster cluster_;
  std::vector<Vertex> vertices_;
  IdVector<LinkId, Link> links_;
  bool any_failed_ = false;
  bool pcie_links_ = false;
  int first_nvswitch_ = 0, first_nic_vertex_ = 0, first_leaf_vertex_ = 0, first_spine_ = 0, first_core_vertex_ = 0;
  std::size_t first_pcie_ = 0, first_nic_ = 0, first_leaf_ = 0, first_core_ = 0;  // links
  int nics_per_node_ = 0;
  int planes_ = 1;                             // networks that never meet
  int leaf_units_ = 0;                         // nodes (rails) or adapters (else) that share a leaf
  int leaf_rails_ = 1;                         // rails that share a leaf
  int leaf_uplinks_ = 0;                       // cables from a leaf upwards
  int leaves_ = 0;                             // a plane
  int spines_ = 0;                             // a plane; three levels: a pod
  int pods_ = 1, pod_leaves_ = 0, cores_ = 0;  // three levels: cores each aggregation switch reaches
};

/// Graphviz text: every switch, adapter and GPU, one edge a cable pair, dotted from each GPU to its adapter.
std::string topology_dot(const Topology& topology);
/// A self-contained SVG picture, GPUs at the bottom and the highest switches at the top.  Of a large cluster the first
/// 8 nodes are drawn, and the caption says so.
std::string topology_svg(const Topology& topology);
}  // namespace moesim::network
