// Both network models count the same bytes on the same links and between the same GPUs.
#include <gtest/gtest.h>

#include "common/exchange_loads.h"
#include "common/test_cluster.h"
#include "network/exchanges/exchange.h"

namespace moesim::network {
namespace {
struct Counts {
  std::vector<LinkUse> use;
  std::vector<std::int64_t> pairs;
  std::vector<UtilisationSample> samples;
};

/// Three exchanges one after the other, a lone transfer beside the first.
Counts run(const std::string& kind, const spec::Cluster& cluster, const ExchangeSpec& spec,
           const std::vector<exchange::ExchangeLoad>& loads, const std::string& more = "") {
  Engine engine;
  const auto network = test::make_network(
      fmt::format("{{kind: {}, calibration: network-h800, count_pairs: true{}}}", kind, more), engine, cluster);
  const ExchangeGroup group(network->topology(), GpuId{0}, loads.front().gpus);
  network->send(GpuId{1}, GpuId(loads.front().gpus - 2), 12345_B, [] {});
  for (const exchange::ExchangeLoad& load : loads) {
    const auto exchange = open_exchange(*network, group, spec, load, [](int) {});
    for (int m = 0; m < load.gpus; ++m) exchange->join(m);
    engine.run();
    EXPECT_TRUE(exchange->finished());
  }
  return {network->link_use(), network->pair_bytes(), network->utilisation()};
}

std::vector<ExchangeSpec> specs() {
  std::vector<ExchangeSpec> out = test::exchange_specs();
  out.push_back({ExchangeKernel::deepep_normal, ExchangeDirection::dispatch, 9000_B, 20, true, 7408_B});
  return out;
}

/// Rails; adapters shared over PCIe and an oversubscribed tree; planes that meet only inside the nodes; one node.
std::vector<spec::Cluster> clusters() {
  std::vector<spec::Cluster> out(4, test::h800_cluster(4));
  out[1].node.nics = 4;
  out[1].fabric.kind = spec::FabricKind::three_level_fat_tree;
  out[1].fabric.switch_ports = 6;
  out[1].fabric.oversubscription = 2;
  out[2].fabric.kind = spec::FabricKind::multi_plane_fat_tree;
  out[2].fabric.planes = 4;
  out[3] = test::h800_cluster(1);
  return out;
}

std::vector<exchange::ExchangeLoad> loads_of(const spec::Cluster& cluster) {
  std::vector<exchange::ExchangeLoad> out;
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    std::vector<double> weights;
    Random random(seed, "weights");
    for (int e = 0; e < 64; ++e) weights.push_back(random.log_normal(0, 1));
    out.push_back(test::drawn_load({cluster.gpus(), 8}, 20, 6, weights, seed));
  }
  return out;
}

/// What SMs spend on a row depends on its exchange; the closed form counts many together, at the mean of them all.
TEST(LinkCountLaw, FluidAndBottleneckAgreeOnTheBytesOfEveryLinkAndPair) {
  for (const spec::Cluster& cluster : clusters())
    for (const ExchangeSpec& spec : specs()) {
      const std::vector<exchange::ExchangeLoad> loads = loads_of(cluster), one(loads.begin(), loads.begin() + 1);
      const Counts fluid = run("fluid", cluster, spec, loads), closed = run("bottleneck", cluster, spec, loads);
      const Counts fluid_one = run("fluid", cluster, spec, one), closed_one = run("bottleneck", cluster, spec, one);
      ASSERT_EQ(fluid.use.size(), closed.use.size());
      std::int64_t all = 0;
      for (std::size_t l = 0; l < fluid.use.size(); ++l) {
        ASSERT_EQ(fluid.use[l].bytes, closed.use[l].bytes) << "link " << l;
        // Work is cut to whole bytes: once for each of a link's hundreds of flows, or once for all.
        ASSERT_NEAR(fluid_one.use[l].busy, closed_one.use[l].busy, 2e-8) << "link " << l;
        ASSERT_NEAR(fluid.use[l].busy, closed.use[l].busy, 2e-8 + 2e-3 * fluid.use[l].busy) << "link " << l;
        all += closed.use[l].bytes;
      }
      EXPECT_GT(all, 0);
      EXPECT_EQ(fluid.pairs, closed.pairs);
    }
}

TEST(LinkCountLaw, AnExchangeCountsTheBytesOfItsTraffic) {
  const spec::Cluster cluster = test::h800_cluster(4);
  const std::vector<exchange::ExchangeLoad> loads = loads_of(cluster);
  const Topology t(cluster);
  for (const ExchangeSpec& spec : specs()) {
    if (way_of(spec.kernel) == RowWay::gathered) continue;  // whose bytes are no traffic's (exchange_law.cpp)
    const Counts counts = run("bottleneck", cluster, spec, loads);
    std::int64_t up = 0, down = 0, want = 0;
    for (int nic = 0; nic < t.nics(); ++nic) {
      up += counts.use[index(t.nic_out(nic))].bytes;
      down += counts.use[index(t.nic_in(nic))].bytes;
    }
    for (const exchange::ExchangeLoad& load : loads)
      for (int s = 0; s < 32; ++s) {
        for (int n = 0; n < 4 && way_of(spec.kernel) == RowWay::relayed; ++n)
          if (n != s / 8) want += load.tokens_to_node[std::size_t(s * 4 + n)];
        for (int d = 0; d < 32 && way_of(spec.kernel) == RowWay::straight; ++d)
          if (s != d && (!spec.nvlink || s / 8 != d / 8)) want += load.rows_to_gpu[std::size_t(s * 32 + d)];
      }
    EXPECT_EQ(up, want * 7408 + 12345);
    EXPECT_EQ(down, up);
  }
}

/// Whatever enters a switch leaves it, and what a GPU's adapter takes from the fabric is what others sent there.
TEST(LinkCountLaw, BytesInEqualBytesOutOnEverySwitch) {
  for (const spec::Cluster& cluster : clusters())
    for (const std::string kind : {"fluid", "bottleneck"})
      for (const ExchangeSpec& spec : specs()) {
        const Topology t(cluster);
        const Counts counts = run(kind, cluster, spec, loads_of(cluster));
        std::vector<std::int64_t> in(t.vertices().size()), out(in);
        for (std::size_t l = 0; l < counts.use.size(); ++l) {
          in[std::size_t(t.links()[LinkId(l)].to)] += counts.use[l].bytes;
          out[std::size_t(t.links()[LinkId(l)].from)] += counts.use[l].bytes;
        }
        std::int64_t switched = 0;
        for (std::size_t v = 0; v < in.size(); ++v) {
          const VertexKind what = t.vertices()[v].kind;
          if (what == VertexKind::gpu || what == VertexKind::nic) continue;  // ends of flows
          ASSERT_EQ(in[v], out[v]) << kind << " " << t.vertex_name(int(v));
          switched += in[v];
        }
        std::int64_t moved = 0;  // no pair of GPUs is nearer than one switch
        for (const std::int64_t bytes : counts.pairs) moved += bytes;
        EXPECT_GE(switched, moved);
        EXPECT_GT(moved, 0);
      }
}

TEST(LinkCountLaw, SamplesAddUpToTheTimeThatLinksWereBusy) {
  const spec::Cluster cluster = test::h800_cluster(2);
  for (const std::string kind : {"fluid", "bottleneck"})
    for (const ExchangeSpec& spec : specs()) {
      const Counts counts = run(kind, cluster, spec, loads_of(cluster), ", sample_interval: 3 us");
      std::vector<double> sum(counts.use.size());
      Time last{};
      for (const UtilisationSample& s : counts.samples) {
        sum[index(s.link)] += s.share * 3e-6;
        EXPECT_GE(s.until, last) << "in order of time";
        EXPECT_EQ(s.until.v % 3'000'000, 0);
        last = s.until;
      }
      for (std::size_t l = 0; l < sum.size(); ++l)
        EXPECT_NEAR(sum[l], counts.use[l].busy, 1e-9 + 1e-3 * counts.use[l].busy) << kind << " link " << l;
    }
}

/// The sums of a load, as serving adds exchanges up.
exchange::ExchangeSums sums_of(const exchange::ExchangeLoad& load) {
  exchange::ExchangeSums sums;
  const int n = load.gpus;
  for (int d = 0; d < n; ++d) {
    sums.gpu_rows.push_back(0);
    sums.fan_out.gpu_reach.push_back(0);
    for (int s = 0; s < n; ++s) {
      sums.gpu_rows.back() += load.rows_to_gpu[std::size_t(s * n + d)];
      sums.fan_out.gpu_reach.back() += load.tokens_to_gpu[std::size_t(s * n + d)];
    }
  }
  sums.tokens = double(load.tokens);
  sums.fan_out.node_reach.assign(std::size_t(load.nodes), 0);
  for (std::size_t i = 0; i < load.tokens_to_node.size(); ++i)
    sums.fan_out.node_reach[i % std::size_t(load.nodes)] += load.tokens_to_node[i] / sums.tokens;
  for (double& reach : sums.fan_out.gpu_reach) reach /= sums.tokens;
  return sums;
}

TEST(LinkCountLaw, SumsCountWhatTheSymmetricLoadTheySumDoes) {
  Engine engine;
  for (const int per_node : {8, 1}) {  // nodes of one GPU have no NVLink
    spec::Cluster cluster = test::h800_cluster(16 / per_node);
    cluster.node.gpus = cluster.node.nics = per_node;
    for (const ExchangeSpec& spec : specs()) {
      const auto by_load = test::make_network("{kind: bottleneck}", engine, cluster),
                 by_sums = test::make_network("{kind: bottleneck}", engine, cluster);
      const ExchangeGroup group(by_load->topology(), GpuId{0}, 16), same(by_sums->topology(), GpuId{0}, 16);
      const exchange::ExchangeLoad load = test::even_load({16, per_node}, 5);
      by_load->count(group, spec, load, {}, 1_us);
      by_sums->count(same, spec, sums_of(load), {}, 1_us);
      const auto want = by_load->link_use(), got = by_sums->link_use();
      for (std::size_t l = 0; l < want.size(); ++l) {
        EXPECT_EQ(want[l].bytes, got[l].bytes) << name_of(spec.kernel) << ", link " << l;
        EXPECT_NEAR(want[l].busy, got[l].busy, 1e-9 + 1e-3 * want[l].busy) << name_of(spec.kernel) << ", link " << l;
      }
    }
  }
}

TEST(LinkCountLaw, WhatComesFromOutsideCrossesTheAdapterAlone) {
  Engine engine;
  const auto network = test::make_network("{kind: bottleneck, calibration: none}", engine, test::unit_cluster(2, 2));
  network->count_outside(GpuId{3}, false, 7_B, {}, 7_s);
  network->count_outside(GpuId{2}, true, 5_B, {}, 7_s);
  const auto use = network->link_use();
  for (std::size_t l = 0; l < use.size(); ++l)
    EXPECT_EQ(use[l].bytes, LinkId(l) == network->topology().nic_in(3)    ? 7
                            : LinkId(l) == network->topology().nic_out(2) ? 5
                                                                          : 0);
}
}  // namespace
}  // namespace moesim::network
