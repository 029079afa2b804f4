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
  // Of 32 heads the sums of scores, in FP32; the output stays for the projection's gradient.
  EXPECT_EQ(kept("recompute_modules: [core_attention]"), all - 4096ll * 32 * 4);
}

// DeepSeek-V2-Lite's second layer, 4096 tokens: two shared and 64 routed experts of 1408 columns.
TEST(Plan, ExpertsThatAreComputedAgainKeepTheirInputAlone) {
  const auto kept = [](const std::string& how, std::int64_t rows) {
    const TrainingPlan plan =
        read_plan(scenario("batch: 32, recompute_modules: [" + how + "]", "deepseek-v2-lite", "h800-32"));
    return compute::sum_of(compute::layer_activations(plan.model, 1, plan.batch, rows, plan.setup.options)).v;
  };
  const std::int64_t all = kept("", 1000), shared = 4096ll * 3 * 2816 * 2, routed = 1000ll * (2048 + 3 * 1408) * 2;
  EXPECT_EQ(kept("shared_experts", 1000), all - shared);
  EXPECT_EQ(kept("experts", 1000), all - shared - routed - 4096ll * 64 * 4);
  EXPECT_EQ(kept("experts", 0), kept("experts", 1000));
}

// What is executed besides is one more forward pass of what is computed again.
TEST(Plan, ModulesThatAreComputedAgainTakeTheirForwardPass) {
  const auto flops = [](const std::string& how, compute::LayerPart part, compute::Pass pass) {
    const TrainingPlan plan =
        read_plan(scenario("batch: 32, recompute_modules: [" + how + "]", "deepseek-v2-lite", "h800-32"));
    const std::vector<std::int64_t> rows(64, 100);
    std::vector<compute::Operation> operations;
    compute::append_operations(operations, plan.model, 1, part, pass, plan.batch, rows, plan.setup.options);
    double sum = 0;
    for (const compute::Operation& o : operations) sum += o.flops.v;
    return sum;
  };
  using enum compute::LayerPart;
  using enum compute::Pass;
  const auto more = [&](const std::string& how, compute::LayerPart part) {
    return flops(how, part, backward_input) - flops("", part, backward_input);
  };
  EXPECT_EQ(more("shared_experts", shared), flops("", shared, forward));
  EXPECT_EQ(more("shared_experts", experts), 0);
  for (const compute::LayerPart part : {shared, experts}) EXPECT_EQ(more("experts", part), flops("", part, forward));
  // Its norm has 2 operations a number, and is no part of what is computed again.
  EXPECT_EQ(more("experts", gate), flops("", gate, forward) - 2 * 2048.0 * 4096);
  // 16 heads of 192 and 128 columns over half of 4096 x 4096 pairs.
  EXPECT_EQ(more("core_attention", attention), 2 * 16 * (192 + 128) * 4096.0 * 4096 / 2);
  EXPECT_EQ(more("core_attention", gate), 0);
}
}  // namespace
}  // namespace moesim::training
