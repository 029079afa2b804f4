// The network as a graph: searches around failed links, bisection by maximum flow, Graphviz text.
#include <fmt/format.h>

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/breadth_first_search.hpp>
#include <boost/graph/push_relabel_max_flow.hpp>
#include <sstream>

#include "core/check.h"
#include "network/topology/topology.h"

namespace moesim::network {
namespace {
constexpr std::int64_t kNoLink = -1;  // GPU to adapter where PCIe is not modelled
struct Cable {
  std::int64_t link = kNoLink;
};
using Graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS, boost::no_property, Cable>;

/// Every working link, and the GPU's slot where PCIe is not a link of its own.
Graph graph_of(const Topology& t) {
  Graph graph(t.vertices().size());
  bool pcie = false;
  for (std::size_t l = 0; l < t.links().size(); ++l) {
    const Link& link = t.links()[LinkId(l)];
    pcie = pcie || link.kind == LinkKind::pcie;
    if (link.capacity.v > 0)
      boost::add_edge(std::size_t(link.from), std::size_t(link.to), Cable{std::int64_t(l)}, graph);
  }
  if (!t.has_nics() || pcie) return graph;
  for (int g = 0; g < t.gpus(); ++g) {
    const auto nic = std::size_t(t.links()[t.nic_out(t.nic_of(GpuId(g)))].from);
    boost::add_edge(std::size_t(g), nic, Cable{}, graph);
    boost::add_edge(nic, std::size_t(g), Cable{}, graph);
  }
  return graph;
}

/// The largest flow from the adapters of the first half of the nodes to those of the rest, in bytes per second.
double max_flow(const Topology& t) {
  using Traits = boost::adjacency_list_traits<boost::vecS, boost::vecS, boost::directedS>;
  using FlowGraph = boost::adjacency_list<
      boost::vecS, boost::vecS, boost::directedS, boost::no_property,
      boost::property<boost::edge_capacity_t, std::int64_t,
                      boost::property<boost::edge_residual_capacity_t, std::int64_t,
                                      boost::property<boost::edge_reverse_t, Traits::edge_descriptor>>>>;
  double most = 0;  // flows are counted in whole units: 2^20 of the largest capacity
  for (const Link& link : t.links()) most = std::max(most, link.capacity.v);
  const double unit = most / double(1 << 20);
  const std::size_t source = t.vertices().size(), sink = source + 1;
  FlowGraph graph(source + 2);
  auto capacity = boost::get(boost::edge_capacity, graph);
  auto reverse = boost::get(boost::edge_reverse, graph);
  const auto add = [&](std::size_t from, std::size_t to, std::int64_t units) {
    const auto forth = boost::add_edge(from, to, graph).first;
    const auto back = boost::add_edge(to, from, graph).first;
    capacity[forth] = units, capacity[back] = 0;
    reverse[forth] = back, reverse[back] = forth;
  };
  for (const Link& link : t.links())
    if (link.kind != LinkKind::nvlink && link.kind != LinkKind::pcie && link.capacity.v > 0)
      add(std::size_t(link.from), std::size_t(link.to), std::int64_t(link.capacity.v / unit));
  const int half = t.nics() / t.nodes() * (t.nodes() / 2);
  for (int n = 0; n < t.nics(); ++n) {
    const auto vertex = std::size_t(t.links()[t.nic_out(n)].from);
    if (n < half)
      add(source, vertex, std::int64_t(1) << 40);
    else
      add(vertex, sink, std::int64_t(1) << 40);
  }
  return double(boost::push_relabel_max_flow(graph, source, sink)) * unit;
}
}  // namespace

/// Fewest links; equal ones by the order of the links.
Route Topology::detour(GpuId from, GpuId to) const {
  const Graph graph = graph_of(*this);
  std::vector<Graph::edge_descriptor> by(vertices_.size());
  std::vector<std::size_t> parent(vertices_.size());
  for (std::size_t v = 0; v < parent.size(); ++v) parent[v] = v;
  struct Visitor : boost::default_bfs_visitor {
    std::vector<Graph::edge_descriptor>* by;
    std::vector<std::size_t>* parent;
    void tree_edge(Graph::edge_descriptor e, const Graph& g) {
      (*by)[boost::target(e, g)] = e;
      (*parent)[boost::target(e, g)] = boost::source(e, g);
    }
  } visitor;
  visitor.by = &by;
  visitor.parent = &parent;
  boost::breadth_first_search(graph, index(from), boost::visitor(visitor));
  std::vector<LinkId> back;
  for (std::size_t v = index(to); v != index(from); v = parent[v]) {
    if (parent[v] == v)
      throw ConfigError(fmt::format("the failed links leave no path from GPU {} to GPU {}", from, to));
    if (graph[by[v]].link != kNoLink) back.push_back(LinkId(graph[by[v]].link));
  }
  Route route;
  for (auto l = back.rbegin(); l != back.rend(); ++l) route.add(*l);
  return route;
}

TopologySummary Topology::summary() const {
  TopologySummary out;
  out.gpus = gpus();
  out.nvswitch_domains = has_nvlink() ? nodes() : 0;
  if (has_nvlink()) out.domain_bisection = cluster_.node.gpu.nvlink * double(cluster_.node.gpus / 2);
  out.nics = has_nics() ? cluster_.node.nics * nodes() : 0;
  for (const Vertex& v : vertices_) {
    out.leaves += v.kind == VertexKind::leaf;
    out.spines += v.kind == VertexKind::spine;
    out.cores += v.kind == VertexKind::core;
  }
  for (std::size_t l = 0; l < links_.size(); l += 2) {  // each pair once
    const Link& link = links_[LinkId(l)];
    if (link.kind == LinkKind::nic) out.endpoint_cables += link.cables;
    if (link.kind == LinkKind::leaf || link.kind == LinkKind::core) out.switch_cables += link.cables;
  }
  out.fabric_cost = out.switches() * kSwitchCost + double(out.switch_cables) * kSwitchCableCost;
  if (has_nics()) {
    out.bisection = {max_flow(*this)};
    out.injection = cluster_.node.nic * double(cluster_.node.nics) * double(nodes() / 2);
  }
  return out;
}

std::string topology_dot(const Topology& t) {
  std::ostringstream text;
  text << "graph cluster {\n  layout=dot; rankdir=BT; node [shape=box];\n";
  for (std::size_t v = 0; v < t.vertices().size(); ++v) {
    const VertexKind kind = t.vertices()[v].kind;
    text << fmt::format("  {}{};\n", t.vertex_name(int(v)),
                        kind == VertexKind::gpu || kind == VertexKind::nic ? " [shape=ellipse]" : "");
  }
  for (std::size_t l = 0; l < t.links().size(); l += 2) {
    const Link& link = t.links()[LinkId(l)];
    text << fmt::format("  {} -- {} [label=\"{}\"{}];\n", t.vertex_name(link.from), t.vertex_name(link.to),
                        to_text(link.capacity), link.capacity.v > 0 ? "" : " style=dashed");
  }
  if (t.has_nics() && !t.has_pcie_links())
    for (int g = 0; g < t.gpus(); ++g)
      text << fmt::format("  gpu{} -- {} [style=dotted];\n", g, t.vertex_name(t.nic_vertex(t.nic_of(GpuId(g)))));
  text << "}\n";
  return text.str();
}
}  // namespace moesim::network
