// Stages as Megatron-LM writes them, longer contexts, and what is computed again.
#include <gtest/gtest.h>

#include <vector>

#include "training/plan.h"

namespace moesim::training {
namespace {
Config scenario(const std::string& training, const std::string& model, const std::string& cluster) {
  return Config::from_text("model: " + model + "\ncluster: " + cluster + "\ntraining: {" + training + "}\n",
                           "test.yaml");
}

// Megatron Core developer guide, Custom Pipeline Model Parallel Layout: DeepSeek-V3 on 16 ranks of two chunks.
TEST(Plan, StagesAreAsMegatronWritesThem) {
  const Config c = scenario(
      "batch: 32, parallel: {pipeline: 16}, schedule: {kind: interleaved_1f1b, chunks: 2}, "
      "pipeline_layout: \"Et*3|(tt|)*29,m|L\"",
      "deepseek-v3", "h800-32");
  TrainingPlan plan = read_plan(c);
  split_layers(plan, c, [](const PlanBlock&) { return 1.0; });
  ASSERT_EQ(plan.stages.size(), 32u);
  using Kind = PlanBlock::Kind;
  const auto kinds = [&](std::size_t stage) {
    std::vector<Kind> out;
    for (const PlanBlock& b : plan.stages[stage]) out.push_back(b.kind);
    return out;
  };
  EXPECT_EQ(kinds(0), (std::vector{Kind::embedding, Kind::layer, Kind::layer, Kind::layer}));
  int next = 3;
  for (std::size_t stage = 1; stage <= 29; ++stage) {
    EXPECT_EQ(kinds(stage), (std::vector{Kind::layer, Kind::layer}));
    for (const PlanBlock& b : plan.stages[stage]) EXPECT_EQ(b.layer, next++);
  }
  EXPECT_EQ(next, 61);
  EXPECT_EQ(kinds(30), (std::vector{Kind::mtp, Kind::layer}));
  EXPECT_EQ(kinds(31), (std::vector{Kind::head, Kind::head}));
}

TEST(Plan, ALayoutOfEqualStagesIsTheSameAsTheirNumbers) {
  const auto cut = [](const std::string& how) {
    const Config c = scenario("batch: 32, parallel: {pipeline: 4}, " + how, "llama-2-7b", "h800-32");
    TrainingPlan plan = read_plan(c);
    split_layers(plan, c, [](const PlanBlock&) { return 1.0; });
    std::vector<std::vector<std::pair<int, int>>> out;
    for (const auto& stage : plan.stages) {
      out.emplace_back();
      for (const PlanBlock& b : stage) out.back().push_back({int(b.kind), b.layer});
    }
    return out;
  };
  const auto numbers = cut("layers: [7, 9, 9, 7]");
  EXPECT_EQ(cut("pipeline_layout: \"Et*7 | ((ttt)*3|)*2 t*7,L\""), numbers);
  EXPECT_EQ(cut("pipeline_layout: \"E((t)*7)*1|((ttt)*3|)*2(t*7)L\""), numbers);
}

TEST(Plan, ContextIsExtendedOnRequest) {
  const Config c = scenario("batch: 32, sequence: 16384, extend_context: true", "llama-2-7b", "h800-32");
  EXPECT_EQ(read_plan(c).batch.tokens, 16384);
}

TEST(Plan, WhatIsComputedAgainIsChosenByModule) {
  const auto chosen = [](const std::string& how) {
    const compute::Recompute r =
        read_plan(scenario("batch: 32, " + how, "deepseek-v2-lite", "h800-32")).setup.options.recompute;
    return std::vector{r.norms, r.swiglu, r.up_projections, r.layer};
  };
  EXPECT_EQ(chosen("recompute_modules: [norms]"), (std::vector{true, false, false, false}));
  EXPECT_EQ(chosen("recompute_modules: [up_projections, activations]"), (std::vector{false, true, true, false}));
  EXPECT_EQ(chosen("recompute_modules: [norms, activations, up_projections]"), chosen("recompute: selective"));
  EXPECT_EQ(chosen("recompute_modules: []"), chosen("recompute: none"));
}

// Llama-2-7B, 4096 tokens in BF16: two normed inputs of 4096 numbers each, and 11,008 after SwiGLU.
TEST(Plan, ModulesThatAreComputedAgainAreNotKept) {
  const auto kept = [](const std::string& how) {
    const TrainingPlan plan = read_plan(scenario("batch: 32, " + how, "llama-2-7b", "h800-32"));
    return compute::sum_of(compute::layer_activations(plan.model, 0, plan.batch, 0, plan.setup.options)).v;
  };
  const std::int64_t all = kept("recompute: none"), norms = 2ll * 4096 * 4096 * 2, activation = 4096ll * 11008 * 2;
  EXPECT_EQ(kept("recompute_modules: [norms]"), all - norms);
  EXPECT_EQ(kept("recompute_modules: [activations]"), all - activation);
  EXPECT_EQ(kept("recompute_modules: [activations, norms]"), all - norms - activation);
  EXPECT_EQ(kept("recompute_modules: [activations, norms]"), kept("recompute: selective"));
}
}  // namespace
}  // namespace moesim::training
