// Counts of switches and cables against published and hand-worked ones.
#include <gtest/gtest.h>

#include <set>

#include "common/test_cluster.h"

namespace moesim::network {
namespace {
spec::Cluster with_fabric(int nodes, spec::FabricKind kind, int planes) {
  spec::Cluster c = test::h800_cluster(nodes);
  c.fabric.kind = kind;
  c.fabric.planes = planes;
  return c;
}

// Insights into DeepSeek-V3 (arXiv 2505.09343), table 3: 64-port switches.
TEST(Topology, TwoLevelFatTreeOf2048Endpoints) {
  const TopologySummary s = Topology(with_fabric(256, spec::FabricKind::rail_leaf_spine, 1)).summary();
  EXPECT_EQ(s.nics, 2048);
  EXPECT_EQ(s.switches(), 96);
  EXPECT_EQ(s.switch_cables, 2048);
  EXPECT_NEAR(s.fabric_cost, 9e6, 0.02 * 9e6);
  EXPECT_NEAR(s.bisection / s.injection, 1, 1e-4);
}
TEST(Topology, MultiPlaneFatTreeOf16384Endpoints) {
  const Topology topology(with_fabric(2048, spec::FabricKind::multi_plane_fat_tree, 8));
  int switches = 0;
  for (const Vertex& v : topology.vertices()) switches += v.kind == VertexKind::leaf || v.kind == VertexKind::spine;
  EXPECT_EQ(switches, 768);
}
TEST(Topology, ThreeLevelFatTreeOf65536Endpoints) {
  const Topology topology(with_fabric(8192, spec::FabricKind::three_level_fat_tree, 1));
  int switches = 0;
  std::int64_t cables = 0;
  for (const Vertex& v : topology.vertices())
    switches += v.kind == VertexKind::leaf || v.kind == VertexKind::spine || v.kind == VertexKind::core;
  for (const Link& link : topology.links())
    if (link.kind == LinkKind::leaf || link.kind == LinkKind::core) cables += link.cables;
  EXPECT_EQ(switches, 5120);
  EXPECT_EQ(cables / 2, 131072);
  const double cost = switches * kSwitchCost + double(cables / 2) * kSwitchCableCost;
  EXPECT_NEAR(cost, 491e6, 0.02 * 491e6);
}

TEST(Topology, OversubscriptionCutsTheBisection) {
  // Three-port switches: 2 adapters below a leaf, 1 cable up; 4 nodes of one GPU: 2 leaves.
  spec::Cluster c = test::unit_cluster(4, 1);
  c.fabric.switch_ports = 3;
  c.fabric.oversubscription = 2;
  const TopologySummary s = Topology(c).summary();
  EXPECT_EQ(s.leaves, 2);
  EXPECT_NEAR(s.bisection.v, 1, 1e-5);
  EXPECT_EQ(s.injection.v, 2);
}

TEST(Topology, ThreeLevelFatTreeOf10000Gpus) {
  // 32 adapters below a leaf: 313 leaves in 10 pods of 32, each with 32 aggregation switches; each of these has 32
  // cables up, in equal bundles to 8 cores (5 would have the ports, but 32 do not divide by 5).
  const TopologySummary s = Topology(with_fabric(1250, spec::FabricKind::three_level_fat_tree, 1)).summary();
  EXPECT_EQ(s.leaves, 313);
  EXPECT_EQ(s.spines, 320);
  EXPECT_EQ(s.cores, 32 * 8);
  EXPECT_EQ(s.endpoint_cables, 10'000);
  EXPECT_EQ(s.switch_cables, 313 * 32 + 320 * 32);
  EXPECT_NEAR(s.bisection / s.injection, 1, 1e-4);
  EXPECT_NEAR(s.fabric_cost, (313 + 320 + 256) * kSwitchCost + 20'256 * kSwitchCableCost, 1);
}

TEST(Topology, OversubscribedRailsOf2304Gpus) {
  // Three to one on 64 ports: 48 down, 16 up; 288 nodes are 6 full leaves a rail, half of them 3.
  spec::Cluster c = with_fabric(288, spec::FabricKind::rail_leaf_spine, 1);
  c.fabric.oversubscription = 3;
  const TopologySummary s = Topology(c).summary();
  EXPECT_EQ(s.leaves, 48);
  EXPECT_EQ(s.spines, 16);
  EXPECT_EQ(s.switch_cables, 48 * 16);
  EXPECT_NEAR(s.bisection / s.injection, 1.0 / 3, 1e-4);
  // Of 256 nodes the halves meet on a leaf: 96 of a rail's 128 adapters share 32 cables, 32 have 16 more and 16
  // neighbours from the other half.
  c.nodes = 256;
  EXPECT_NEAR(Topology(c).summary().bisection.v / 50e9 / 8, 16 + 16 + 16 + 16, 0.01);
}

TEST(Topology, GpusShareAnAdapterOverPcie) {
  spec::Cluster c = test::h800_cluster(4);
  c.node.nics = 2;
  const Topology t(c);
  const TopologySummary s = t.summary();
  EXPECT_EQ(s.nics, 8);
  EXPECT_EQ(s.leaves, 2);
  EXPECT_EQ(s.bisection.v, 2 * 2 * 50e9);
  EXPECT_EQ(s.domain_bisection.v, 4 * 200e9);
  std::string names;
  for (const LinkId l : t.route(GpuId{1}, GpuId{14})) names += t.link_name(l) + " ";
  EXPECT_EQ(names, "gpu1>nic0 nic0>leaf0 leaf0>spine0 spine0>leaf1 leaf1>nic3 nic3>gpu14 ");
}

TEST(Topology, OneDomainOf72HasNoFabric) {
  spec::Cluster c = test::h800_cluster(1);
  c.node.gpus = 72;
  const TopologySummary s = Topology(c).summary();
  EXPECT_EQ(s.nvswitch_domains, 1);
  EXPECT_EQ(s.domain_bisection.v, 36 * 200e9);
  EXPECT_EQ(s.switches() + s.nics, 0);
  EXPECT_EQ(s.fabric_cost, 0);
}

TEST(Topology, OneLeafNeedsNoSpine) {
  const TopologySummary s = Topology(test::unit_cluster(4, 1)).summary();
  EXPECT_EQ(s.leaves, 1);
  EXPECT_EQ(s.spines, 0);
  EXPECT_EQ(s.switch_cables, 0);
}

std::string path(const Topology& t, int from, int to) {
  std::string out;
  for (const LinkId l : t.route(GpuId(from), GpuId(to))) out += (out.empty() ? "" : " ") + t.link_name(l);
  return out;
}

TEST(Topology, RailsMeetOnTheirLeaf) {
  const Topology t(test::h800_cluster(4));
  EXPECT_EQ(path(t, 3, 5), "gpu3>nvswitch0 nvswitch0>gpu5");
  EXPECT_EQ(path(t, 3, 8 + 3), "nic3>leaf3 leaf3>nic11");
  EXPECT_EQ(t.latency(t.route(GpuId{3}, GpuId{11})), 2800_ns);
  EXPECT_EQ(t.latency(t.route(GpuId{3}, GpuId{12})), 3700_ns);
  EXPECT_EQ(t.route(GpuId{3}, GpuId{12}).size(), 4u);
  EXPECT_TRUE(t.route(GpuId{3}, GpuId{3}).empty());
}

TEST(Topology, PlanesMeetOnlyInsideANode) {
  const Topology t(with_fabric(4, spec::FabricKind::multi_plane_fat_tree, 8));
  EXPECT_EQ(path(t, 3, 8 + 5), "gpu3>nvswitch0 nvswitch0>gpu5 nic5>leaf5 leaf5>nic13");
}

/// Every path is a chain from adapter (or GPU) to adapter (or GPU), and stays the same when asked again.
TEST(Topology, RoutesAreChainsOfLinks) {
  for (const spec::FabricKind kind : {spec::FabricKind::rail_leaf_spine, spec::FabricKind::three_level_fat_tree,
                                      spec::FabricKind::multi_plane_fat_tree}) {
    spec::Cluster c = with_fabric(20, kind, kind == spec::FabricKind::multi_plane_fat_tree ? 4 : 1);
    c.fabric.switch_ports = kind == spec::FabricKind::three_level_fat_tree ? 16 : 32;
    const Topology t(c);
    std::set<std::size_t> uplinks;
    for (int from = 0; from < t.gpus(); ++from)
      for (int to = 0; to < t.gpus(); ++to) {
        if (from == to) continue;
        const Route route = t.route(GpuId(from), GpuId(to));
        ASSERT_FALSE(route.empty());
        for (const LinkId* l = route.begin(); l + 1 != route.end(); ++l) {
          const Link &a = t.links()[l[0]], &b = t.links()[l[1]];
          const bool inside = a.kind == LinkKind::nvlink && b.kind == LinkKind::nic;  // GPU to its adapter
          ASSERT_TRUE(a.to == b.from || inside) << t.link_name(l[0]) << " " << t.link_name(l[1]);
        }
        for (const LinkId l : route)
          if (t.links()[l].kind == LinkKind::leaf) uplinks.insert(index(l));
        const Link& last = t.links()[*(route.end() - 1)];
        const bool same_node = from / 8 == to / 8;
        ASSERT_EQ(last.to, same_node ? to : t.links()[t.nic_out(t.nic_of(GpuId(to)))].from);
      }
    std::size_t all = 0;
    for (const Link& link : t.links()) all += link.kind == LinkKind::leaf;
    EXPECT_EQ(uplinks.size(), all) << "the hash leaves no cable unused";
  }
}

TEST(Topology, TenThousandGpusAreQuick) {
  const Topology t(with_fabric(1250, spec::FabricKind::three_level_fat_tree, 1));
  std::size_t hops = 0;
  for (int i = 0; i < 100'000; ++i) hops += t.route(GpuId(i % 10000), GpuId(i * 7919 % 10000)).size();
  EXPECT_GT(hops, 200'000u);
  EXPECT_LT(t.links().size(), 100'000u);
}

TEST(Topology, RailsShareALeafWhereASpineCouldNotReachThemAll) {
  // 8 racks of 72: 72 rails of 8 adapters; 36 leaves with two rails each fit under 64-port spines, 72 would not.
  spec::Cluster c = test::h800_cluster(8);
  c.node.gpus = c.node.nics = 72;
  const Topology t(c);
  const TopologySummary s = t.summary();
  EXPECT_EQ(s.leaves, 36);
  EXPECT_EQ(t.route(GpuId{0}, GpuId{72}).size(), 2u);
  EXPECT_NEAR(s.bisection / s.injection, 1, 1e-4);
}

TEST(Topology, DrawsEveryPointOnce) {
  const std::string dot = topology_dot(Topology(test::h800_cluster(2)));
  const std::string svg = topology_svg(Topology(test::h800_cluster(2)));
  for (const char* name : {"gpu15", "nvswitch1", "nic15", "leaf7", "spine0"}) {
    EXPECT_NE(dot.find(fmt::format("  {}", name)), std::string::npos) << name;
    EXPECT_NE(svg.find(fmt::format("<title>{}</title>", name)), std::string::npos) << name;
  }
  EXPECT_EQ(svg.substr(0, 4), "<svg");
  EXPECT_NE(topology_svg(Topology(test::h800_cluster(40))).find("the first 8 of 40 nodes"), std::string::npos);
}
}  // namespace
}  // namespace moesim::network
