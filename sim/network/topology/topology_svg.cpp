// A picture of the network: levels from bottom to top, one line a pair of links.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "network/topology/topology.h"

namespace moesim::network {
namespace {
constexpr int kNodesDrawn = 8;
constexpr double kWidth = 1200, kRow = 110, kMargin = 40;

struct Place {
  double x = 0, y = 0;
};

/// GPUs and adapters of the nodes that are drawn; all switches.
bool drawn(const Topology& t, int vertex) {
  const Vertex& v = t.vertices()[std::size_t(vertex)];
  const int nodes = std::min(t.nodes(), kNodesDrawn);
  switch (v.kind) {
    case VertexKind::gpu:
      return v.number < nodes * t.gpus_per_node();
    case VertexKind::nvswitch:
      return v.number < nodes;
    case VertexKind::nic:
      return v.number < nodes * (t.nics() / t.nodes());
    case VertexKind::leaf:
    case VertexKind::spine:
    case VertexKind::core:
      return true;
  }
  return true;
}

std::string_view colour(VertexKind kind) {
  switch (kind) {
    case VertexKind::gpu:
      return "#76b7b2";
    case VertexKind::nvswitch:
      return "#59a14f";
    case VertexKind::nic:
      return "#edc948";
    case VertexKind::leaf:
      return "#4e79a7";
    case VertexKind::spine:
      return "#f28e2b";
    case VertexKind::core:
      return "#e15759";
  }
  return "#000";
}
}  // namespace

std::string topology_svg(const Topology& t) {
  std::map<VertexKind, std::vector<int>> levels;
  for (int v = 0; v < int(t.vertices().size()); ++v)
    if (drawn(t, v)) levels[t.vertices()[std::size_t(v)].kind].push_back(v);
  // NVSwitches hang below the GPUs, so that the cables of the fabric go up.
  std::vector<VertexKind> rows;
  for (const VertexKind kind :
       {VertexKind::core, VertexKind::spine, VertexKind::leaf, VertexKind::nic, VertexKind::gpu, VertexKind::nvswitch})
    if (levels.contains(kind)) rows.push_back(kind);
  const double height = kMargin * 2 + kRow * double(rows.size());
  std::map<int, Place> places;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const std::vector<int>& level = levels[rows[r]];
    for (std::size_t i = 0; i < level.size(); ++i)
      places[level[i]] = {kMargin + (kWidth - 2 * kMargin) * (double(i) + 0.5) / double(level.size()),
                          kMargin + kRow * (double(r) + 0.5)};
  }
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"12\">\n",
      kWidth, height);
  std::size_t lines = 0;
  for (const Link& link : t.links()) lines += places.contains(link.from) && places.contains(link.to);
  // Of many lines each is fainter, so that bundles show and do not become one grey.
  const double opacity = std::clamp(2000 / double(std::max<std::size_t>(1, lines)), 0.1, 1.0);
  out += fmt::format("<g stroke-opacity=\"{:.2f}\">\n", opacity);
  for (std::size_t l = 0; l < t.links().size(); l += 2) {
    const Link& link = t.links()[LinkId(l)];
    if (!places.contains(link.from) || !places.contains(link.to)) continue;
    const Place a = places[link.from], b = places[link.to];
    out += fmt::format(
        "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\" stroke-width=\"0.6\">"
        "<title>{} {}</title></line>\n",
        a.x, a.y, b.x, b.y, link.capacity.v > 0 ? "#999" : "#d00", t.link_name(LinkId(l)), to_text(link.capacity));
  }
  for (int g = 0; t.has_nics() && !t.has_pcie_links() && g < t.gpus() && places.contains(g); ++g) {
    const Place a = places[g], b = places[t.nic_vertex(t.nic_of(GpuId(g)))];
    out += fmt::format(
        "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#ccc\" stroke-width=\"0.6\" "
        "stroke-dasharray=\"2 2\"/>\n",
        a.x, a.y, b.x, b.y);
  }
  out += "</g>\n";
  for (const VertexKind kind : rows) {
    const std::vector<int>& level = levels[kind];
    const auto all = std::ranges::count(t.vertices(), kind, &Vertex::kind);
    const std::string count =
        all == std::ptrdiff_t(level.size()) ? fmt::format("{}", all) : fmt::format("{} of {}", level.size(), all);
    const double size = std::clamp(0.7 * (kWidth - 2 * kMargin) / double(level.size()), 2.0, 26.0);
    for (const int v : level)
      out += fmt::format(
          "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"14\" rx=\"2\" fill=\"{}\">"
          "<title>{}</title></rect>\n",
          places[v].x - size / 2, places[v].y - 7, size, colour(kind), t.vertex_name(v));
    out += fmt::format("<text x=\"4\" y=\"{:.1f}\">{} {}</text>\n", places[level[0]].y - 20, count, name_of(kind));
  }
  if (t.nodes() > kNodesDrawn)
    out +=
        fmt::format("<text x=\"4\" y=\"{:.1f}\">the first {} of {} nodes</text>\n", height - 8, kNodesDrawn, t.nodes());
  return out + "</svg>\n";
}
}  // namespace moesim::network
