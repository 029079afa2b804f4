// What one kind of exchange moves and takes, held against the others and against collectives.
#include <gtest/gtest.h>

#include "law/network/exchange_runs.h"
#include "network/collectives/collective.h"

namespace moesim::network {
namespace {
/// What a group sent over adapters and over NVLink.
struct Sent {
  std::int64_t nic = 0, nvlink = 0;
  bool operator==(const Sent&) const = default;
};
Sent bytes_sent(ExchangeKernel kernel, const exchange::ExchangeLoad& load, const std::string& network) {
  const spec::Cluster cluster = test::h800_cluster(load.nodes);
  const Topology topology(cluster);
  const Outcome out =
      run(cluster, network, {kernel, ExchangeDirection::dispatch, 7408_B, 20, true}, load, in_order(load.gpus));
  Sent sum;
  for (int m = 0; m < load.gpus; ++m) {
    if (topology.has_nics()) sum.nic += out.use[index(topology.nic_out(m))].bytes;
    sum.nvlink += out.use[index(topology.nvlink_out(GpuId(m)))].bytes;
  }
  return sum;
}

/// The same counted from the load alone: rows, and copies, that go to another node.
Sent crossing(const exchange::ExchangeLoad& load) {
  Sent out;
  const int n = load.gpus;
  for (int s = 0; s < n; ++s)
    for (int d = 0; d < n; ++d) {
      const bool inside = s / 8 == d / 8;
      if (s != d) (inside ? out.nvlink : out.nic) += load.rows_to_gpu[std::size_t(s * n + d)] * std::int64_t{7408};
    }
  return out;
}

TEST(ExchangeKindsLaw, EveryRowByItselfIsNeverFewerBytesThanOneCopyANode) {
  for (const std::string network : {"{kind: fluid}", "{kind: bottleneck}"})
    for (const int nodes : {1, 2, 3})
      for (std::uint64_t seed = 0; seed < 4; ++seed) {
        const int n = 8 * nodes;
        const auto load = test::drawn_load({n, 8}, 20, 6, log_normal_weights(4 * n, 1, seed), seed);
        const Sent rows = bytes_sent(ExchangeKernel::all_to_all, load, network),
                   copies = bytes_sent(ExchangeKernel::deepep_normal, load, network);
        EXPECT_EQ(rows, crossing(load));
        EXPECT_EQ(rows, bytes_sent(ExchangeKernel::deepep_low_latency, load, network));
        EXPECT_EQ(copies, bytes_sent(ExchangeKernel::hybrid, load, network));
        EXPECT_GE(rows.nic, copies.nic);
        // On several nodes relays hand copies on over NVLink, which rows do not cross.
        EXPECT_TRUE(nodes > 1 || rows.nvlink >= copies.nvlink);
      }
}

TEST(ExchangeKindsLaw, AGathersBytesAndTimeDoNotDependOnTheRouting) {
  for (const std::string network : {"{kind: fluid}", "{kind: bottleneck}"}) {
    const auto skewed = test::drawn_load({16, 8}, 24, 6, log_normal_weights(64, 2, 1), 1),
               even = test::drawn_load({16, 8}, 24, 2, log_normal_weights(64, 0, 2), 2);
    EXPECT_EQ(bytes_sent(ExchangeKernel::all_gather, skewed, network),
              bytes_sent(ExchangeKernel::all_gather, even, network));
    const ExchangeSpec spec{ExchangeKernel::all_gather, ExchangeDirection::combine, 14336_B, 20, true};
    EXPECT_EQ(run(test::h800_cluster(2), network, spec, skewed, in_order(16)).end,
              run(test::h800_cluster(2), network, spec, even, in_order(16)).end);
  }
}

TEST(ExchangeKindsLaw, EqualPairsTakeWhatTheLibrarysCollectiveDoes) {
  const NetworkCalibration calibration = load_network_calibration("network-h100");
  for (const int nodes : {1, 2, 4})
    for (const int rows : {1, 3, 20, 200, 3000}) {
      const int n = 8 * nodes;
      const Topology topology(test::h800_cluster(nodes));
      const ExchangeGroup group(topology, GpuId{0}, n);
      // A combine: its counts are known.
      ExchangeTimes times(group, calibration, {ExchangeKernel::all_to_all, ExchangeDirection::combine, 14336_B});
      std::vector<Time> ready(static_cast<std::size_t>(n)), end(ready);
      times(test::even_load({n, 8}, rows), ready, end);
      const Time want = collective_time(topology, calibration, Collective::all_to_all, CollectiveAlgorithm::direct,
                                        group.members(), 14336_B * rows * n);
      EXPECT_NEAR(seconds(std::ranges::max(end)) / seconds(want), 1, 0.01) << nodes << " nodes, " << rows << " rows";
    }
}

TEST(ExchangeKindsLaw, MoreRowsNeverTakeLess) {
  for (const ExchangeSpec& spec : test::exchange_specs())
    for (const int nodes : {1, 2}) {
      const int n = 8 * nodes;
      const Topology topology(test::h800_cluster(nodes));
      const ExchangeGroup group(topology, GpuId{0}, n);
      ExchangeTimes times(group, load_network_calibration("network-h100"), spec);
      exchange::ExchangeLoad load = test::drawn_load({n, 8}, 1, 2, log_normal_weights(n, 1, 7), 7);
      Time before{};
      for (int doubled = 0; doubled < 16; ++doubled) {
        std::vector<Time> ready(static_cast<std::size_t>(n)), end(ready);
        times(load, ready, end);
        EXPECT_GE(std::ranges::max(end), before) << name_of(spec.kernel) << ", " << load.tokens << " tokens";
        before = std::ranges::max(end);
        load.tokens *= 2;
        for (auto* counts : {&load.rows_to_gpu, &load.tokens_to_gpu, &load.tokens_to_node, &load.slot_rows})
          for (std::int32_t& count : *counts) count *= 2;
      }
    }
}
}  // namespace
}  // namespace moesim::network
