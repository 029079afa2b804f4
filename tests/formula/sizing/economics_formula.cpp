// Costs and counts of deployments whose answers are worked out in the head.
#include <gtest/gtest.h>

#include "sizing/economics.h"

namespace moesim::sizing {
namespace {
/// Nodes of 8 GPUs at 2 USD a GPU-hour and 500 W.
PricedNode node() {
  PricedNode out;
  out.node.gpus = 8;
  out.node.gpu.power = {500};
  out.gpu_hour = 2;
  return out;
}
PoolDesign pool(serving::Role role, int tensor, int data) { return {.role = role, .tensor = tensor, .data = data}; }

TEST(Economics, OfOwnNodesSaysWhatThePriceTakesThatThePlanDoesNot) {
  const auto assumed = [](const std::string& more) {
    const Config plan = Config::from_text("nodes: [{node: hgx-h100, " + more + "}]", "p");
    return read_priced_node(plan.at("nodes").items()[0]).assumed;
  };
  EXPECT_EQ(assumed("purchase: 300000"),
            "p:1:9: nodes[0]: bought over 4 years and with power at 0 USD/kWh: the plan does not say");
  EXPECT_EQ(assumed("purchase: 300000, years: 5"),
            "p:1:9: nodes[0]: bought with power at 0 USD/kWh: the plan does not say");
  EXPECT_EQ(assumed("purchase: 300000, years: 5, power_price: 0.1"), "");
  EXPECT_EQ(assumed("price: 2 USD/h"), "");
}

TEST(Economics, InstancesShareNodesUntilTheyFillThem) {
  const PricedNode n = node();
  const auto gpus = [&](int each, int instances) {
    return Deployment{&n, "sglang", {pool(serving::Role::both, each, 1)}, {instances}}.gpus();
  };
  EXPECT_EQ(gpus(2, 1), 8);
  EXPECT_EQ(gpus(2, 4), 8);
  EXPECT_EQ(gpus(2, 5), 16);
  EXPECT_EQ(gpus(8, 3), 24);
  EXPECT_EQ(gpus(12, 2), 32);  // whole nodes each
}

/// Each pool over as many nodes as are paid for, and no instance across the end of a node.
TEST(Economics, PoolsShareNodesWhereTheirInstancesFit) {
  const PricedNode n = node();
  const auto of = [&](int prefill, int prefills, int decode, int decodes) {
    return Deployment{&n,
                      "sglang",
                      {pool(serving::Role::prefill, prefill, 1), pool(serving::Role::decode, decode, 1)},
                      {prefills, decodes}};
  };
  EXPECT_EQ(of(2, 1, 2, 1).gpus(), 8);
  EXPECT_DOUBLE_EQ(of(2, 1, 2, 1).cost_per_hour(), 16);
  EXPECT_DOUBLE_EQ(of(2, 1, 2, 1).power(), 4000);
  using serving::Places;
  EXPECT_EQ(of(2, 1, 4, 1).places(), (Places{{0}, {4}}));
  EXPECT_EQ(of(2, 1, 4, 1).gpus(), 8);
  EXPECT_EQ(of(2, 3, 4, 1).places(), (Places{{4, 8, 10}, {0}}));
  EXPECT_EQ(of(2, 3, 4, 1).gpus(), 16);
  EXPECT_EQ(of(4, 3, 2, 2).places(), (Places{{0, 4, 8}, {12, 14}}));
  EXPECT_EQ(of(4, 3, 2, 2).gpus(), 16);
  EXPECT_EQ(of(4, 1, 8, 2).places(), (Places{{0}, {8, 16}}));
  EXPECT_EQ(of(4, 1, 8, 2).nodes(), 3);
  EXPECT_EQ(of(16, 1, 4, 1).places(), (Places{{0}, {16}}));
  EXPECT_EQ(of(2, 4, 2, 4).places(), (Places{{0, 2, 8, 10}, {4, 6, 12, 14}}));
  EXPECT_TRUE(of(2, 4, 2, 4).is_spread());
  EXPECT_FALSE(of(8, 2, 8, 2).is_spread());
  EXPECT_EQ(of(16, 1, 4, 1).nodes(), 3);
}

/// The bill of a node that pools share is split by the GPUs that they use.
TEST(Economics, SplitsTheBillOfASharedNode) {
  const PricedNode n = node();
  Plan plan;
  plan.load = {.rate = 10, .input = 900, .output = 100};
  Entry e;
  e.deployment = {&n, "sglang", {pool(serving::Role::prefill, 2, 1), pool(serving::Role::decode, 4, 1)}, {1, 1}};
  const Economics x = economics_of(plan, e);
  EXPECT_DOUBLE_EQ(x.cost_per_hour, 16);
  EXPECT_DOUBLE_EQ(x.cost_per_million_input, 16 / 3.0 / 32.4);
  EXPECT_DOUBLE_EQ(x.cost_per_million_output, 32 / 3.0 / 3.6);
}

TEST(Economics, SplitsCostsByPools) {
  const PricedNode n = node();
  Plan plan;
  plan.load = {.rate = 10, .input = 900, .output = 100};  // 10,000 tokens/s, 36 million an hour
  Entry e;
  e.deployment = {&n, "sglang", {pool(serving::Role::prefill, 8, 1), pool(serving::Role::decode, 8, 1)}, {1, 2}};
  e.tpot = 0.05;
  const Economics x = economics_of(plan, e);
  EXPECT_EQ(x.gpus, 24);
  EXPECT_DOUBLE_EQ(x.cost_per_hour, 48);
  EXPECT_DOUBLE_EQ(x.cost_per_million, 48 / 36.0);
  EXPECT_DOUBLE_EQ(x.cost_per_million_input, 16 / 32.4);
  EXPECT_DOUBLE_EQ(x.cost_per_million_output, 32 / 3.6);
  EXPECT_DOUBLE_EQ(x.tokens_per_gpu, 10000 / 24.0);
  EXPECT_DOUBLE_EQ(x.tokens_per_user, 20);
}

/// What was simulated says itself what its GPUs cost; those that are paid for beside them cost as much.
TEST(Economics, OfASimulationAreOverAllGpusThatArePaidFor) {
  const PricedNode n = node();
  Plan plan;
  plan.load = {.rate = 10, .input = 900, .output = 100};
  Entry e;
  e.deployment = {&n, "sglang", {pool(serving::Role::both, 2, 1)}, {3}};
  Figures& f = e.figures.emplace();
  f.gpus = 6;
  f.tokens_per_gpu = 7;
  f.cost_per_million = 1;
  f.cost_per_million_input = 2;
  f.cost_per_million_output = 3;
  const Economics x = economics_of(plan, e);
  EXPECT_EQ(x.gpus, 8);
  EXPECT_EQ(x.used_gpus, 6);
  EXPECT_EQ(x.cost_per_hour, 16);
  EXPECT_DOUBLE_EQ(x.tokens_per_gpu, 7 * 6 / 8.0);
  EXPECT_DOUBLE_EQ(x.cost_per_million, 8 / 6.0);
  EXPECT_DOUBLE_EQ(x.cost_per_million_input, 2 * 8 / 6.0);
  EXPECT_DOUBLE_EQ(x.cost_per_million_output, 3 * 8 / 6.0);
}

/// A pool's idle GPUs are paid for by what it does; the bill is that of prompts and that of answers.
TEST(Economics, OfSimulatedPoolsAddUpToTheBill) {
  const PricedNode n = node();
  Plan plan;
  Entry e;
  e.deployment = {&n, "sglang", {pool(serving::Role::prefill, 2, 1), pool(serving::Role::decode, 8, 1)}, {2, 1}};
  Figures& f = e.figures.emplace();  // 9,000 tokens/s of prompts on 4 GPUs, 1,000 of answers on 8
  f.gpus = 12;
  f.tokens_per_gpu = 10000 / 12.0;
  f.cost_per_million = 24 / 36.0;
  f.cost_per_million_input = 8 / 32.4;
  f.cost_per_million_output = 16 / 3.6;
  const Economics x = economics_of(plan, e);
  EXPECT_EQ(x.cost_per_hour, 32);
  EXPECT_DOUBLE_EQ(x.cost_per_million * 36, 32);
  EXPECT_DOUBLE_EQ(x.cost_per_million_input * 32.4 + x.cost_per_million_output * 3.6, 32);
  EXPECT_DOUBLE_EQ(x.tokens_per_gpu * 16, 10000);
}

TEST(Economics, OfClosedLoopsFollowsTheAnswers) {
  Plan plan;
  plan.load = {.clients = 100, .input = 900, .output = 100};
  EXPECT_DOUBLE_EQ(rate_of(plan, 1, 0.04), 20);  // 1 s and 100 tokens of 40 ms
}

TEST(Standings, AreUsedUpAtTheirTargets) {
  Targets t;
  t.latency[2] = 2_s;  // ttft_p90
  t.share = 0.9;
  Figures f;
  f.latency[2] = 1;
  f.share = 0.94;
  f.finished = 1;
  const auto all = standings(t, f);
  EXPECT_TRUE(all_met(all));
  EXPECT_EQ(tightest(all)->target, "share");
  EXPECT_NEAR(tightest(all)->used(), 0.6, 1e-12);  // 6 of the 10 % that may be missing; ttft_p90 uses half
  f.share = 0.8;
  EXPECT_NEAR(tightest(standings(t, f))->used(), 2, 1e-12);
  f.share = 1;
  EXPECT_EQ(tightest(standings(t, f))->target, "ttft_p90");
  f.rejected = 1;
  EXPECT_FALSE(all_met(standings(t, f)));
  f.rejected = 0, f.finished = 0;
  EXPECT_FALSE(all_met(standings(t, f)));
}
/// 8 GPUs at 2 USD beside 16 at 1.5: these would have to cost 1 USD each, the others may cost 3.
TEST(Economics, SaysAtWhichPriceAnotherKindOfNodeWouldWin) {
  Plan plan;
  plan.nodes = {node(), node(), node()};
  plan.nodes[1].gpu_hour = 1.5;
  Search s;
  const auto add = [&](std::size_t kind, int instances, Fate fate) {
    Entry& e = s.entries.emplace_back();
    e.deployment = {&plan.nodes[kind], "sglang", {pool(serving::Role::both, 8, 1)}, {instances}};
    e.fate = fate;
  };
  add(1, 3, Fate::front), add(0, 1, Fate::chosen), add(1, 2, Fate::meets), add(2, 1, Fate::misses);
  EXPECT_TRUE(price_breaks(plan, s).empty()) << "nothing is the answer";
  s.winner = 1;
  const std::vector<PriceBreak> prices = price_breaks(plan, s);
  ASSERT_EQ(prices.size(), 2u);
  EXPECT_EQ(prices[0].node, &plan.nodes[0]);
  EXPECT_DOUBLE_EQ(prices[0].at, 3);
  EXPECT_EQ(prices[1].node, &plan.nodes[1]);
  EXPECT_DOUBLE_EQ(prices[1].at, 1);
  EXPECT_EQ(prices[1].entry, 2u);
}
}  // namespace
}  // namespace moesim::sizing
