// What a plan may list to choose from, and what comes of it.
#include <gtest/gtest.h>

#include <set>

#include "sizing/answer.h"
#include "sizing/enumerate.h"
#include "sizing/ratio.h"
#include "support/temporary_folder.h"

namespace moesim::sizing {
namespace {
Plan plan_of(const std::string& candidates,
             const std::string& load =
                 "{kind: poisson, rate: 10, input: {kind: fixed, mean: 900}, output: {kind: fixed, mean: 100}}",
             const std::string& targets = "{ttft_p90: 2 s, tpot_p90: 60 ms}",
             const std::string& model = "deepseek-v2-lite") {
  const TemporaryFolder folder;
  put_file(
      folder.file("plan.yaml"),
      fmt::format("model: {}\nsize:\n  workload: {}\n  targets: {}\n  candidates: {{nodes: [{{node: hgx-h100, nodes: "
                  "2}}], batch: [64], tokens: [2048], redundant: [0], overlap: [none], {}}}\n  search: {{seeds: 1}}\n",
                  model, load, targets, candidates));
  return read_plan(folder.file("plan.yaml"), {}, {});
}

TEST(Choices, AreEveryPrecisionWithAllDrafts) {
  const Plan plan = plan_of("precision: [{}, {linear: fp8}], speculation: [none, {kind: ngram, acceptance: [0.5]}]");
  ASSERT_EQ(plan.variants.size(), 4u);
  std::set<std::string> labels;
  for (const Variant& v : plan.variants) labels.insert(v.label);
  EXPECT_EQ(labels.size(), 4u);
  EXPECT_EQ(plan.variants[0].tokens_per_step, 1);
  EXPECT_EQ(plan.variants[1].tokens_per_step, 1.5);
  EXPECT_EQ(plan_of("speculation: {kind: ngram, acceptance: [0.5]}").variants.size(), 1u);
  EXPECT_EQ(plan_of("speculation: {kind: ngram, acceptance: [0.5]}").variants[0].label, "");
}

/// Drafts have no effect on prompts, and refuse no pool that computes them.
TEST(Choices, OfDraftsLeavePoolsOfEveryRole) {
  const Plan plan = plan_of("tensor: [1], data: [8], speculation: [none, {kind: ngram, acceptance: [0.5]}]");
  std::set<std::pair<serving::Role, std::string>> usable;
  double with = 0, without = 0;
  for (const Proposal& p : propose(plan, 2)) {
    EXPECT_TRUE(p.usable()) << text_of(p.design, 1) << ": " << p.steady.refused;
    usable.insert({p.design.role, p.design.variant.label});
    if (p.design.role == serving::Role::decode) (p.design.variant.drafts.empty() ? without : with) = p.steady.tpot;
  }
  EXPECT_EQ(usable.size(), 6u);  // 3 roles
  EXPECT_LT(with, without) << "a token more in every other step";
}

/// Where the plan does not ask, engines are given the overlap that they have: with DeepEP's exchanges alone.
TEST(Choices, OfOverlapAreThoseTheEngineHas) {
  const auto kinds = [](const std::string& more) {
    const TemporaryFolder folder;
    put_file(folder.file("plan.yaml"),
             "model: deepseek-v2-lite\nsize:\n  workload: {kind: poisson, rate: 10, input: {kind: fixed, mean: 900}, "
             "output: {kind: fixed, mean: 100}}\n  targets: {ttft_p90: 2 s}\n  candidates: {nodes: [{node: hgx-h100, "
             "nodes: 1}], batch: [64], tokens: [2048], redundant: [0], tensor: [1], data: [8], " +
                 more + "}\n");
    std::set<serving::OverlapKind> out;
    for (const Proposal& p : propose(read_plan(folder.file("plan.yaml"), {}, {}), 1)) out.insert(p.design.overlap);
    return out;
  };
  using enum serving::OverlapKind;
  EXPECT_EQ(kinds("engines: [sglang]"), (std::set{none, two_batch, five_stage}));
  EXPECT_EQ(kinds("engines: [vllm]"), std::set{none});
  EXPECT_EQ(kinds("engines: [trtllm]"), std::set{none});
  EXPECT_EQ(kinds("engines: [vllm], overlap: [two_batch]"), (std::set{none, two_batch})) << "asked for";
}

TEST(Choices, OfExpertsAndStagesAreThoseAsked) {
  std::set<std::string> ways;
  for (const Proposal& p :
       propose(plan_of("tensor: [2, 4], data: [1, 2], expert: [1, 4], pipeline: [1, 2], layouts: [aggregated]"), 2)) {
    const std::string text = text_of(p.design, 1);
    ways.insert(text.substr(9, text.find(',') - 9));
    EXPECT_TRUE(p.usable()) << text << ": " << p.steady.refused;
  }
  EXPECT_EQ(ways, (std::set<std::string>{"TP2", "TP4", "TP4 EP4", "TP2 DP2 EP4", "TP2 PP2", "TP4 PP2", "TP4 PP2 EP4",
                                         "TP2 DP2 PP2 EP4"}));
}

/// Two stages take about as long for a token, hold half the weights each, and have two batches under way.
TEST(Choices, OfStagesHoldHalfAndCarryMore) {
  Steady one, two;
  for (const Proposal& p :
       propose(plan_of("tensor: [4], data: [1], expert: [1], pipeline: [1, 2], layouts: [aggregated]"), 2))
    (p.design.pipeline == 1 ? one : two) = p.steady;
  ASSERT_TRUE(one.refused.empty() && two.refused.empty()) << one.refused << two.refused;
  EXPECT_GT(two.rate, 1.05 * one.rate);
  EXPECT_LT(two.rate, 2 * one.rate);
}

TEST(Choices, OfRatiosAreMultiplesOfTheSmallest) {
  PricedNode node;
  node.node.gpus = 8;
  Entry e;
  e.deployment = {&node,
                  "sglang",
                  {{.role = serving::Role::prefill, .tensor = 1, .data = 32},
                   {.role = serving::Role::decode, .tensor = 1, .data = 8}},
                  {1, 1}};
  const Entry units49 = in_ratio(e, {4, 9});
  EXPECT_EQ(units49.unit, (std::vector{1, 9}));  // 32 to 72 GPUs
  EXPECT_EQ(units49.deployment.instances, (std::vector{1, 9}));
  e.deployment.instances = {2, 5};
  EXPECT_EQ(in_ratio(e, {4, 9}).deployment.instances, (std::vector{2, 18}));
  EXPECT_EQ(in_ratio(e, {1, 1}).deployment.instances, (std::vector{2, 8}));
  EXPECT_EQ(in_ratio(e, {8, 1}).unit, (std::vector{2, 1}));
}

TEST(Choices, OfRatiosAreKeptByTheSearch) {
  const Plan plan = plan_of("tensor: [1], data: [4], layouts: [disaggregated], ratios: [{prefill: 1, decode: 3}]");
  const Search s = search(plan, 2);
  ASSERT_TRUE(s.winner);
  for (const Entry& e : s.entries) EXPECT_EQ(e.deployment.instances[1], 3 * e.deployment.instances[0]);
}

/// 7 to 5 are 12 instances of 4 GPUs at least, 6 nodes: more than the plan's 2.
TEST(Choices, OfRatiosAreWithinEveryLimit) {
  const std::string layout = "tensor: [1], data: [4], layouts: [disaggregated], ratios: [{prefill: 7, decode: 5}]";
  const std::string load =
      "{kind: poisson, rate: 10, input: {kind: fixed, mean: 900}, output: {kind: fixed, mean: 100}}";
  const auto refused = [&](const std::string& limit, int nodes) {
    Plan plan = plan_of(layout, load, fmt::format("{{ttft_p90: 2 s, tpot_p90: 60 ms{}}}", limit));
    plan.nodes.front().choice.most = nodes;
    const Search s = search(plan, 2);
    EXPECT_FALSE(s.winner) << limit;
    EXPECT_EQ(s.trials, 0) << limit;
    return s.entries.empty() ? "" : s.entries.front().reason;
  };
  EXPECT_EQ(refused("", 2), "nodes 6 of 2");
  EXPECT_EQ(refused(", gpus: 40", 8), "gpus 48 of 40");
  EXPECT_TRUE(refused(", budget: 30 USD/h", 8).starts_with("budget ")) << refused(", budget: 30 USD/h", 8);
  EXPECT_EQ(refused(", power: 20 kW", 8), "power 33.6 kW of 20.0 kW");
}

/// What is known of pools beside others makes more of one of them: the other follows, and all of them fit.
TEST(Choices, OfRatiosStayWholeWithinTheLimits) {
  PricedNode node;
  node.node.gpus = 8, node.choice.most = 4;
  Entry e;
  e.deployment = {&node,
                  "sglang",
                  {{.role = serving::Role::prefill, .data = 4}, {.role = serving::Role::decode, .data = 4}},
                  {3, 3}};
  e.unit = {1, 3};
  Plan plan;
  fit_to_limits(plan, e);  // 3 x 4 instances are 6 nodes
  EXPECT_EQ(e.deployment.instances, (std::vector{2, 6}));
  EXPECT_EQ(smallest_of(e).instances, (std::vector{1, 3}));
  e.unit.clear();
  EXPECT_EQ(smallest_of(e).instances, (std::vector{1, 1}));
}

TEST(Choices, OfTokensADayRaiseTheLoad) {
  // 10 x 1,000 tokens/s are 864 million a day
  const Load same =
      plan_of("tensor: [1]",
              "{kind: poisson, rate: 10, input: {kind: fixed, mean: 900}, output: {kind: fixed, mean: 100}}",
              "{ttft_p90: 1 s, tokens_per_day: 5e8}")
          .load;
  EXPECT_EQ(same.raised, 1);
  const Plan more = plan_of(
      "tensor: [1]", "{kind: poisson, rate: 10, input: {kind: fixed, mean: 900}, output: {kind: fixed, mean: 100}}",
      "{ttft_p90: 1 s, tokens_per_day: 1.728e9}");
  EXPECT_NEAR(more.load.raised, 2, 0.05);
  EXPECT_NEAR(more.load.rate * 1000 * 86400, 1.728e9, 1);
  EXPECT_EQ(more.section.growth, more.load.raised);
}

TEST(Choices, OfTokensADayBindClients) {
  Targets t;
  t.tokens_per_day = 86400e3;
  Figures f;
  f.finished = 1, f.gpus = 4, f.tokens_per_gpu = 200;
  EXPECT_FALSE(all_met(standings(t, f)));
  EXPECT_NEAR(tightest(standings(t, f))->used(), 1.25, 1e-12);
  EXPECT_EQ(text_of(*tightest(standings(t, f))), "tokens_per_day 69,120,000 tokens/day of 86,400,000 tokens/day");
  f.tokens_per_gpu = 250;
  EXPECT_TRUE(all_met(standings(t, f)));
}

/// Every second prompt is of 1,024 tokens or more, of 512 to 1,535; the cache holds 1,024.
TEST(Choices, OfLengthsThatNoPoolHoldsAreSaid) {
  const Plan plan = plan_of("tensor: [1], data: [1], kv: {capacity: 1024}, layouts: [aggregated]",
                            "{kind: poisson, rate: 1, input: {kind: uniform, min: 512, max: 1535}, output: {kind: "
                            "fixed, mean: 1}}");
  const Search s = search(plan, 2);
  EXPECT_FALSE(s.winner);
  const std::string text = answer_text(plan, s, {});
  EXPECT_NE(text.find("No pool holds the load's longest request: both 1 x 1 GPU, batch 64, 2048 tokens on hgx-h100 "
                      "comes nearest, with 1024 tokens a rank; 50 % are longer."),
            std::string::npos)
      << text;
}

/// What does not fit falls by memory, of models that have to be read whole too.
TEST(Choices, ThatDoNotFitFallByMemory) {
  const Plan plan =
      plan_of("tensor: [8], data: [1], layouts: [aggregated]",
              "{kind: poisson, rate: 1, input: {kind: fixed, mean: 100}, output: {kind: fixed, mean: 10}}",
              "{ttft_p90: 9 s}", "deepseek-v4-pro");
  for (const Proposal& p : propose(plan, 2)) EXPECT_TRUE(p.steady.refused.starts_with("memory: ")) << p.steady.refused;
}
}  // namespace
}  // namespace moesim::sizing
