#include <gtest/gtest.h>

#include <algorithm>

#include "law/network/exchange_runs.h"

namespace moesim::network {
namespace {
TEST(ExchangeLaw, BytesInEqualBytesOutOnEveryNodeAndTotalWhatTheLoadSays) {
  for (std::uint64_t seed = 0; seed < 6; ++seed)
    for (const ExchangeSpec& spec : test::exchange_specs()) {
      const spec::Cluster cluster = test::h800_cluster(3);
      const exchange::ExchangeLoad load = test::drawn_load({24, 8}, 20, 6, log_normal_weights(96, 1, seed), seed);
      const Outcome out = run(cluster, "{kind: fluid, calibration: none}", spec, load, in_order(24));
      const Topology topology(cluster);
      std::int64_t sent = 0, received = 0, nvlink_out = 0, nvlink_in = 0, want_nic = 0, want_nvlink = 0;
      for (int n = 0; n < 3; ++n) {
        std::int64_t up = 0, down = 0;
        for (int i = 0; i < 8; ++i) {
          const auto gpu = GpuId(n * 8 + i);
          sent += out.use[index(topology.nic_out(n * 8 + i))].bytes;
          received += out.use[index(topology.nic_in(n * 8 + i))].bytes;
          up += out.use[index(topology.nvlink_out(gpu))].bytes;
          down += out.use[index(topology.nvlink_in(gpu))].bytes;
        }
        EXPECT_EQ(up, down) << "what enters a node's NVSwitch leaves it";
        nvlink_out += up;
        nvlink_in += down;
      }
      for (int s = 0; s < 24; ++s)
        for (int d = 0; d < 24; ++d) {
          const std::int64_t rows = load.rows_to_gpu[std::size_t(s * 24 + d)],
                             once = load.tokens_to_gpu[std::size_t(s * 24 + d)];
          const bool inside = s / 8 == d / 8;
          if (way_of(spec.kernel) == RowWay::relayed) {
            if (s % 8 != d % 8) want_nvlink += once;
            if (d % 8 == 0 && !inside) want_nic += load.tokens_to_node[std::size_t(s * 3 + d / 8)];
          } else if (s != d) {
            (inside && spec.nvlink ? want_nvlink : want_nic) += rows;
          }
        }
      EXPECT_EQ(sent, received);
      if (spec.kernel == ExchangeKernel::all_gather) {
        // Every GPU gets the tokens of all 23 others, whatever its experts need; rounded up to bytes a step.
        EXPECT_NEAR(double(received + nvlink_in), 23.0 * 480 * 7408, 4 * 24);
        continue;
      }
      EXPECT_EQ(sent, want_nic * 7408);
      EXPECT_EQ(nvlink_out, want_nvlink * 7408);
      EXPECT_EQ(nvlink_in, nvlink_out);
    }
}

TEST(ExchangeLaw, BottleneckIsNeverAboveFluidOnSymmetricTraffic) {
  for (const int nodes : {1, 2, 4})
    for (const int rows : {1, 3, 64})
      for (const ExchangeSpec& spec : test::exchange_specs())
        for (const std::string calibration : {"none", "network-h800"}) {
          const spec::Cluster cluster = test::h800_cluster(nodes);
          const exchange::ExchangeLoad load = test::even_load({nodes * 8, 8}, rows);
          const auto with = [&](std::string_view kind) {
            return run(cluster, fmt::format("{{kind: {}, calibration: {}}}", kind, calibration), spec, load,
                       in_order(nodes * 8));
          };
          const Outcome fluid = with("fluid"), closed = with("bottleneck");
          // Work is cut to whole bytes and every change rounds up to a picosecond.
          EXPECT_LE(closed.last(), fluid.last() + 1_ns)
              << nodes << " nodes, " << rows << " rows, " << name_of(spec.kernel) << " " << int(spec.direction);
          EXPECT_GE(seconds(closed.last()), 0.7 * seconds(fluid.last()));
        }
}

TEST(ExchangeLaw, TheClosedFormStaysNearFluidUnderSkew) {
  double above = 0, below = 0;
  for (std::uint64_t seed = 0; seed < 5; ++seed)
    for (const ExchangeSpec& spec : test::exchange_specs()) {
      const spec::Cluster cluster = test::h800_cluster(4);
      const exchange::ExchangeLoad load = test::drawn_load({32, 8}, 64, 8, log_normal_weights(256, 1, seed), seed);
      const Outcome fluid = run(cluster, "{kind: fluid, calibration: network-h800}", spec, load, in_order(32));
      const Outcome closed = run(cluster, "{kind: bottleneck, calibration: network-h800}", spec, load, in_order(32));
      const double error = seconds(closed.last()) / seconds(fluid.last()) - 1;
      above = std::max(above, error);
      below = std::max(below, -error);
    }
  RecordProperty("above", std::to_string(above));
  RecordProperty("below", std::to_string(below));
  EXPECT_LE(above, 0.01);  // the last flow need not have the longest latency
  EXPECT_LE(below, 0.05);
}

TEST(ExchangeLaw, TheOrderOfJoiningAtOneInstantDoesNotMatter) {
  const spec::Cluster cluster = test::h800_cluster(2);
  const exchange::ExchangeLoad load = test::drawn_load({16, 8}, 30, 8, log_normal_weights(64, 1, 3), 3);
  for (const ExchangeSpec& spec : test::exchange_specs())
    for (const std::string text : {"{kind: fluid}", "{kind: bottleneck}"}) {
      std::vector<int> order = in_order(16);
      const Outcome forwards = run(cluster, text, spec, load, order);
      std::reverse(order.begin(), order.end());
      EXPECT_EQ(run(cluster, text, spec, load, order).end, forwards.end);
    }
}

TEST(ExchangeLaw, DelayingEveryoneDelaysEveryArrivalByTheSame) {
  const Topology topology(test::h800_cluster(2));
  const ExchangeGroup group(topology, GpuId{0}, 16);
  const exchange::ExchangeLoad load = test::drawn_load({16, 8}, 30, 8, log_normal_weights(64, 1, 3), 3);
  for (const ExchangeSpec& spec : test::exchange_specs()) {
    ExchangeTimes times(group, load_network_calibration("network-h800"), spec);
    std::vector<Time> ready, end(16), later(16);
    for (int m = 0; m < 16; ++m) ready.push_back(Time{m * 1'000'003});
    times(load, ready, end);
    for (Time& t : ready) t += 3600_s;
    times(load, ready, later);
    for (std::size_t m = 0; m < 16; ++m) EXPECT_EQ(later[m], end[m] + 3600_s);
  }
}

TEST(ExchangeLaw, SumsAgreeWithTheSymmetricLoadTheySum) {
  for (const int nodes : {1, 2, 4})
    for (const ExchangeSpec& spec : test::exchange_specs()) {
      const int n = nodes * 8;
      const Topology topology(test::h800_cluster(nodes));
      const ExchangeGroup group(topology, GpuId{0}, n);
      const exchange::ExchangeLoad load = test::even_load({n, 8}, 16);
      exchange::ExchangeSums sums;
      sums.tokens = 16.0 * n * n;
      sums.gpu_rows.assign(std::size_t(n), 16.0 * n);
      sums.slot_rows = sums.gpu_rows;
      sums.fan_out.gpu_reach.assign(std::size_t(n), 1.0 / n);
      sums.fan_out.node_reach.assign(std::size_t(nodes), 1.0 / nodes);
      ExchangeTimes times(group, load_network_calibration("network-h800"), spec);
      std::vector<Time> ready(static_cast<std::size_t>(n)), full(ready), quick(ready);
      times(load, ready, full);
      times(sums, quick);
      for (std::size_t m = 0; m < quick.size(); ++m)
        EXPECT_NEAR(seconds(quick[m]) / seconds(full[m]), 1, 0.05) << nodes << " nodes " << name_of(spec.kernel);
    }
}
/// Time of one dispatch or combine on a node of H100 as calibrated: `tokens` a GPU, `choices` of 256 experts, rows of
/// 7168.
double calibrated(ExchangeDirection direction, int tokens, int choices, int sms) {
  const Topology topology(test::h800_cluster(1));
  const ExchangeGroup group(topology, GpuId{0}, 8);
  double miss = 1;
  for (int i = 0; i < choices; ++i) miss *= (224.0 - i) / (256 - i);
  exchange::ExchangeSums sums;
  sums.tokens = 8.0 * tokens;
  sums.slot_rows.assign(256, sums.tokens * choices / 256);
  sums.gpu_rows.assign(8, double(tokens) * choices);
  sums.fan_out.gpu_reach.assign(8, 1 - miss);
  sums.fan_out.node_reach.assign(1, 1);
  const Bytes row = direction == ExchangeDirection::dispatch ? fp8_row(7168) : bf16_row(7168);
  std::vector<Time> arrival(8);
  ExchangeTimes times(group, load_network_calibration("network-h100"),
                      {ExchangeKernel::deepep_normal, direction, row, sms, true});
  times(sums, arrival);
  return seconds(arrival[0]);
}

TEST(ExchangeLaw, MoreTokensOrChoicesTakeLongerAndMoreSmsNever) {
  for (const ExchangeDirection direction : {ExchangeDirection::dispatch, ExchangeDirection::combine})
    for (int tokens = 1; tokens <= 1 << 17; tokens *= 2)
      for (const int choices : {1, 2, 4, 8})
        for (const int sms : {4, 12, 24}) {
          SCOPED_TRACE(fmt::format("{} tokens, {} choices, {} SMs", tokens, choices, sms));
          const double time = calibrated(direction, tokens, choices, sms);
          EXPECT_GT(calibrated(direction, 2 * tokens, choices, sms), time);
          EXPECT_GT(calibrated(direction, tokens, 2 * choices, sms), time);
          EXPECT_LE(calibrated(direction, tokens, choices, sms + 4), time);
        }
}

/// What all sources send together, as if they sent alike.
exchange::ExchangeSums sums_of(const exchange::ExchangeLoad& load, double tokens) {
  const auto n = std::size_t(load.gpus), nodes = std::size_t(load.nodes), slots = std::size_t(load.slots) / n;
  exchange::ExchangeSums out;
  out.tokens = tokens;
  for (const std::int32_t rows : load.slot_rows) out.slot_rows.push_back(rows);
  for (std::size_t m = 0; m < n; ++m) {
    double rows = 0, reached = 0;
    for (std::size_t k = 0; k < slots; ++k) rows += load.slot_rows[m * slots + k];
    for (std::size_t source = 0; source < n; ++source) reached += load.tokens_to_gpu[source * n + m];
    out.gpu_rows.push_back(rows);
    out.fan_out.gpu_reach.push_back(reached / tokens);
  }
  for (std::size_t node = 0; node < nodes; ++node) {
    double reached = 0;
    for (std::size_t source = 0; source < n; ++source) reached += load.tokens_to_node[source * nodes + node];
    out.fan_out.node_reach.push_back(reached / tokens);
  }
  return out;
}

// Sources that draw alike differ only by chance, whether NVLink or the adapters hold them up.
TEST(ExchangeLaw, SumsStayNearTheSkewedLoadTheySum) {
  for (const int nodes : {1, 2, 4})
    for (const Bandwidth nvlink : {200_GBps, 5_GBps})
      for (const ExchangeSpec& spec : test::exchange_specs()) {
        spec::Cluster cluster = test::h800_cluster(nodes);
        cluster.node.gpu.nvlink = nvlink;
        const int n = nodes * 8;
        const Topology topology(cluster);
        const ExchangeGroup group(topology, GpuId{0}, n);
        const exchange::ExchangeLoad load = test::drawn_load({n, 8}, 2000, 2, log_normal_weights(n, 0.7, 5), 5);
        ExchangeTimes times(group, load_network_calibration("network-h800"), spec);
        std::vector<Time> ready(static_cast<std::size_t>(n)), full(ready), quick(ready);
        times(load, ready, full);
        times(sums_of(load, 2000.0 * n), quick);
        SCOPED_TRACE(fmt::format("{} nodes {} {} {} B/s", nodes, name_of(spec.kernel), int(spec.direction), nvlink.v));
        EXPECT_NEAR(seconds(std::ranges::max(quick)) / seconds(std::ranges::max(full)), 1, 0.05);
        // A member may have less to wait for than the sums know: the fullest member need not wait for itself.
        for (std::size_t m = 0; m < quick.size(); ++m) EXPECT_GE(quick[m] / full[m], 0.95) << m;
      }
}
}  // namespace
}  // namespace moesim::network
