#include "exchange/exchanger.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "common/traffic_cases.h"
#include "core/random.h"
#include "routing/traffic_draw.h"

namespace moesim::exchange {
namespace {
using namespace test;

INSTANTIATE_TEST_SUITE_P(Exchange, EverySource, ::testing::ValuesIn(synthetic_kinds()),
                         [](const auto& kind) { return std::string(kind.param); });

TEST_P(EverySource, AnExchangeLosesNoTokenAndItsCountsAgree) {
  for (const TrafficCase& c : kTrafficCases) {
    const auto traffic = traffic_of(GetParam(), c.gate, c.group);
    routing::Traffic t;
    traffic->draw(2, 3, std::vector<std::int32_t>(std::size_t(c.group.gpus), c.tokens), t);
    Exchanger exchange(contiguous_map(c.gate.experts, c.group.gpus), c.group);
    ExchangeLoad load;
    exchange(t, load);
    EXPECT_EQ(load.exact, t.has_lists());
    EXPECT_EQ(std::accumulate(load.slot_rows.begin(), load.slot_rows.end(), 0), c.tokens * c.group.gpus * c.gate.top_k);
    for (int s = 0; s < load.gpus; ++s) {
      std::vector<int> most(std::size_t(load.nodes)), sum(std::size_t(load.nodes));
      int copies = 0;
      for (int g = 0; g < load.gpus; ++g) {
        const int rows = load.rows_to_gpu[std::size_t(s * load.gpus + g)],
                  reach = load.tokens_to_gpu[std::size_t(s * load.gpus + g)];
        copies += rows;
        ASSERT_LE(reach, std::min(rows, t.tokens[std::size_t(s)]));
        ASSERT_GE(reach * c.gate.top_k, rows);
        int& m = most[std::size_t(c.group.node_of(g))];
        m = std::max(m, reach);
        sum[std::size_t(c.group.node_of(g))] += reach;
      }
      ASSERT_EQ(copies, t.tokens[std::size_t(s)] * c.gate.top_k);
      for (int n = 0; n < load.nodes; ++n) {
        const int reach = load.tokens_to_node[std::size_t(s * load.nodes + n)];
        ASSERT_GE(reach, most[std::size_t(n)]);
        ASSERT_LE(reach, sum[std::size_t(n)]);
        ASSERT_LE(reach, t.tokens[std::size_t(s)]);
      }
    }
  }
}

/// Distinct destinations by looking at every token, the plain way.
ExchangeLoad naive(const routing::Traffic& t, const ExpertMap& map, const spec::GroupShape& group) {
  ExchangeLoad out;
  const std::size_t gpus = std::size_t(group.gpus), nodes = std::size_t(group.nodes());
  out.rows_to_gpu.assign(gpus * gpus, 0);
  out.tokens_to_gpu.assign(gpus * gpus, 0);
  out.tokens_to_node.assign(gpus * nodes, 0);
  out.slot_rows.assign(std::size_t(map.slots()), 0);
  std::size_t at = 0;
  for (std::size_t s = 0; s < gpus; ++s)
    for (int i = 0; i < t.tokens[s]; ++i) {
      std::set<int> to_gpu, to_node;
      for (int j = 0; j < t.gate.top_k; ++j) {
        const int e = t.choices[at++];
        if (e < 0) continue;
        const int slot = map.copies_of(e).front(), gpu = map.gpu_of(slot);
        ++out.slot_rows[std::size_t(slot)];
        ++out.rows_to_gpu[s * gpus + std::size_t(gpu)];
        to_gpu.insert(gpu);
        to_node.insert(group.node_of(gpu));
      }
      for (const int g : to_gpu) ++out.tokens_to_gpu[s * gpus + std::size_t(g)];
      for (const int n : to_node) ++out.tokens_to_node[s * nodes + std::size_t(n)];
    }
  return out;
}

routing::Traffic listed(const routing::GateShape& gate, int gpus, int tokens, std::span<const double> weights,
                        int spread_blocks, std::uint64_t seed) {
  const routing::ShareTables tables = routing::share_tables(weights, gate);
  routing::Traffic t;
  t.tokens.assign(std::size_t(gpus), tokens);
  t.spread_blocks = spread_blocks;
  routing::NoiseBits bits(seed, 0, 0, 0);
  t.choices.resize(std::size_t(gpus * tokens * gate.top_k));
  for (std::size_t i = 0; i < t.choices.size(); i += std::size_t(gate.top_k))
    routing::draw_token(tables, gate, spread_blocks, bits, {&t.choices[i], std::size_t(gate.top_k)});
  routing::count_rows(gate, t);
  return t;
}

TEST(Exchange, WithListsEqualsLookingAtEveryToken) {
  Random random(11, "exchange");
  for (int round = 0; round < 30; ++round) {
    const int gpus = 1 + int(random.below(12)), experts = gpus + int(random.below(40)), k = 1 + int(random.below(4));
    const routing::GateShape gate{experts, std::min(k, experts), 1, 1};
    const spec::GroupShape group{gpus, 1 + int(random.below(5))};
    std::vector<double> weights;
    for (int e = 0; e < experts; ++e) weights.push_back(random.log_normal(0, 1));
    routing::Traffic t = listed(gate, gpus, 1 + int(random.below(30)), weights, 0, random.bits());
    for (std::int16_t& e : t.choices)
      if (random.uniform() < 0.05) e = -1;
    routing::count_rows(gate, t);
    ExpertMap map = contiguous_map(experts, gpus);
    random.shuffle<int>(map.slot_to_expert);
    ExchangeLoad got;
    Exchanger{map, group}(t, got);
    const ExchangeLoad want = naive(t, map, group);
    ASSERT_TRUE(got.exact);
    ASSERT_EQ(got.rows_to_gpu, want.rows_to_gpu) << "round " << round;
    ASSERT_EQ(got.slot_rows, want.slot_rows) << "round " << round;
    ASSERT_EQ(got.tokens_to_gpu, want.tokens_to_gpu) << "round " << round;
    ASSERT_EQ(got.tokens_to_node, want.tokens_to_node) << "round " << round;
  }
}

double sum_of(const std::vector<std::int32_t>& v) {
  return double(std::accumulate(v.begin(), v.end(), std::int64_t{0}));
}

// Estimates from counts alone against the token lists that the counts came from.
TEST(Exchange, DistinctCountsEstimatedFromRowsMatchTokenLists) {
  struct Law {
    const char* name;
    double sigma;
    int hot;
    double factor;
  };
  for (const routing::GateShape& gate : {kV3, routing::GateShape{256, 8, 1, 1}, routing::GateShape{64, 6, 1, 1},
                                         routing::GateShape{160, 6, 8, 3}, kMixtral})
    for (const spec::GroupShape& group :
         {spec::GroupShape{64, 8}, spec::GroupShape{32, 8}, spec::GroupShape{16, 8}, spec::GroupShape{8, 4}})
      for (const Law& law : {Law{"balanced", 0, 0, 0}, Law{"log-normal", 0.75, 0, 0}, Law{"hot", 0, 1, 20}}) {
        if (gate.experts % group.gpus != 0) continue;
        SCOPED_TRACE(fmt::format("{} experts, {} of {} groups, {} GPUs, {}", gate.experts, gate.groups_used,
                                 gate.groups, group.gpus, law.name));
        Random random(3, "weights");
        std::vector<double> weights(std::size_t(gate.experts), 1);
        for (double& w : weights) w = random.log_normal(0, law.sigma);
        // Under a limit of groups the rows of one expert that most tokens take leave open how often its group is
        // selected.
        const bool limited = gate.groups_used < gate.groups;
        for (int h = 0; h < law.hot; ++h)
          weights[std::size_t(h)] = limited ? 6 : std::min(law.factor, 0.6 * gate.experts / gate.top_k);
        routing::Traffic t = listed(gate, group.gpus, 1000, weights, 0, 5);
        Exchanger exchange(contiguous_map(gate.experts, group.gpus), group);
        ExchangeLoad exact, estimate, measured;
        exchange(t, exact);
        t.sample = t.choices;
        t.choices.clear();
        exchange(t, measured);
        t.sample.clear();
        exchange(t, estimate);
        ASSERT_FALSE(estimate.exact);
        EXPECT_EQ(estimate.rows_to_gpu, exact.rows_to_gpu);
        for (const ExchangeLoad* load : {&estimate, &measured}) {
          EXPECT_NEAR(sum_of(load->tokens_to_gpu) / sum_of(exact.tokens_to_gpu), 1, 0.02);
          EXPECT_NEAR(sum_of(load->tokens_to_node) / sum_of(exact.tokens_to_node), 1, 0.025);
          for (std::size_t n = 0; n < std::size_t(group.nodes()); ++n) {
            double want = 0, got = 0;
            for (std::size_t s = 0; s < std::size_t(group.gpus); ++s) {
              want += exact.tokens_to_node[s * std::size_t(group.nodes()) + n];
              got += load->tokens_to_node[s * std::size_t(group.nodes()) + n];
            }
            EXPECT_NEAR(got / want, 1, 0.05) << "node " << n;
          }
        }
        ExchangeSums sums;
        std::vector<double> loads(std::size_t(gate.experts));
        for (std::size_t i = 0; i < t.rows.size(); ++i) loads[i % loads.size()] += t.rows[i];
        exchange_sums(loads, 1000.0 * group.gpus, gate, exchange.map(), copy_table(exchange.map()), group, sums);
        EXPECT_NEAR(sums.fan_out.nodes_per_token * 1000 * group.gpus / sum_of(exact.tokens_to_node), 1, 0.025);
        EXPECT_NEAR(sums.fan_out.gpus_per_token * 1000 * group.gpus / sum_of(exact.tokens_to_gpu), 1, 0.02);
      }
}

TEST(Exchange, ANodeLimitIsRespected) {
  const std::vector<double> weights(256, 1);
  routing::Traffic t = listed(kV3, 64, 200, weights, 0, 1);
  Exchanger exchange(contiguous_map(256, 64), {64, 8});
  ExchangeLoad load;
  exchange(t, load);
  EXPECT_LE(sum_of(load.tokens_to_node), 4.0 * 64 * 200);  // a group is a node here: at most 4 of 8
  t.choices.clear();
  exchange(t, load);
  EXPECT_LE(sum_of(load.tokens_to_node), 4.0 * 64 * 200);
  EXPECT_GE(sum_of(load.tokens_to_node), 3.4 * 64 * 200);
}

TEST(Exchange, SpreadTokensReachEveryNodeTheyCan) {
  const spec::GroupShape group{32, 8};
  const auto traffic = traffic_of("spread", routing::GateShape{256, 8, 1, 1}, group);
  Exchanger exchange(contiguous_map(256, 32), group);
  for (const int tokens : {8, 4096}) {  // with lists and without
    routing::Traffic t;
    traffic->draw(0, 0, std::vector<std::int32_t>(32, tokens), t);
    ExchangeLoad load;
    exchange(t, load);
    EXPECT_EQ(load.exact, tokens == 8);
    EXPECT_NEAR(sum_of(load.tokens_to_node) / (32.0 * tokens), 4, 0.06);
  }
}

TEST(Exchange, ReplicasShareAnExpertsRowsNearestFirst) {
  // Expert 0 on GPUs 0 and 2 (nodes 0 and 1); expert 1 on GPUs 2 and 3; expert 2 on GPU 1.
  const ExpertMap map{3, 4, 2, {0, -1, 2, -1, 0, 1, 1, -1}};
  const spec::GroupShape group{4, 2};
  routing::Traffic t;
  t.tokens = {5, 5, 5, 5};
  for (int s = 0; s < 4; ++s)
    for (int i = 0; i < 5; ++i) t.choices.insert(t.choices.end(), {0, 1});
  routing::count_rows({3, 2, 1, 1}, t);
  Exchanger exchange(map, group);
  ExchangeLoad load;
  for (const bool lists : {true, false}) {
    if (!lists) t.choices.clear();
    exchange(t, load);
    // Expert 0: sources 0 and 1 use GPU 0, sources 2 and 3 GPU 2.  Expert 1: GPUs 2 and 3 use their own copy, the
    // sources of node 0 split 5 rows over both, source 0 giving the odd one to the first copy, source 1 to the second.
    EXPECT_EQ(load.rows_to_gpu, (std::vector<std::int32_t>{5, 0, 3, 2, 5, 0, 2, 3, 0, 0, 10, 0, 0, 0, 5, 5}));
    EXPECT_EQ(load.slot_rows, (std::vector<std::int32_t>{10, 0, 0, 0, 10, 10, 10, 0}));
    if (lists) {
      EXPECT_EQ(load.tokens_to_gpu, (std::vector<std::int32_t>{5, 0, 3, 2, 5, 0, 2, 3, 0, 0, 5, 0, 0, 0, 5, 5}));
      EXPECT_EQ(load.tokens_to_node, (std::vector<std::int32_t>{5, 5, 5, 5, 0, 5, 0, 5}));
    }
  }
}
}  // namespace
}  // namespace moesim::exchange
