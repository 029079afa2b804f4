// Packed sequences: attention stays within documents, everything else is the same.
#include <gtest/gtest.h>

#include <string>

#include "spec/count.h"
#include "training/step.h"

namespace moesim::training {
namespace {
Config packed(const std::string& documents) {
  return Config::from_text(
      "model: {extends: mixtral-8x7b, layers: 4, moe: {expert_width: 2048}}\ncluster: h800-32\ntraining: {batch: 64, "
      "sequence: 4096, micro_batch: 2, parallel: {expert: 8}" +
          (documents.empty() ? "" : ", documents: " + documents) + "}\n",
      "documents.yaml");
}

TEST(Documents, AttentionIsOfTheSquaresOfTheirLengths) {
  const compute::Batch one = read_plan(packed("")).batch, several = read_plan(packed("[1024, 2048, 512, 512]")).batch;
  EXPECT_EQ(several.tokens, one.tokens);
  EXPECT_EQ(several.outputs, one.outputs);
  EXPECT_EQ(several.prefill.queries, one.prefill.queries);
  EXPECT_EQ(several.prefill.sequences, 4 * one.prefill.sequences);
  EXPECT_EQ(several.prefill.longest, 2048);
  EXPECT_EQ(several.prefill.pairs, 2 * (1024.0 * 1024 + 2048.0 * 2048 + 2 * 512.0 * 512) / 2);
}

TEST(Documents, FlopsAreTheModelsOfEachLength) {
  const TrainingPlan plan = read_plan(packed("[1024, 3072]"));
  for (const bool causal : {false, true})
    EXPECT_DOUBLE_EQ(
        flops_of_token(plan, causal).v,
        (spec::training_flops(plan.model, 1024, causal).v + 3 * spec::training_flops(plan.model, 3072, causal).v) / 4);
}

TEST(Documents, WorkIsConservedAndShorterOnesAreFaster) {
  const auto step = [](const std::string& documents) {
    TrainingSetup setup(packed(documents), 3);
    const double seconds_of_step = seconds(setup.run(0, nullptr).step);
    const TrainingPlan& plan = setup.plan();
    const double stands_for = double(plan.gpus_per_stage) / (plan.replicas * plan.members);
    EXPECT_NEAR(
        setup.costs().work().flops * stands_for / (flops_of_token(plan, true).v * double(plan.tokens_per_step())), 1,
        1e-12);
    return seconds_of_step;
  };
  const double whole = step(""), halves = step("[2048, 2048]"), many = step("[512, 512, 1024, 1024, 1024]");
  EXPECT_LT(halves, whole);
  EXPECT_LT(many, halves);
}
}  // namespace
}  // namespace moesim::training
