#include "numerics/pass/gate.h"

#include <gtest/gtest.h>

#include <cmath>

namespace moesim::numerics {
namespace {

// Eight logits, worked through for every published gate.
const std::vector<float> kLogits = {1.2F, -0.3F, 0.4F, 2.0F, -1.0F, 0.1F, 0.9F, -2.0F};

spec::MoeShape eight(spec::Selection selection, spec::Score score, int top_k) {
  spec::MoeShape moe;
  moe.experts = 8, moe.top_k = top_k, moe.selection = selection, moe.score = score;
  return moe;
}
spec::MoeShape v3(int top_k) {
  spec::MoeShape moe = eight(spec::Selection::noaux_tc, spec::Score::sigmoid, top_k);
  moe.groups = 4, moe.groups_used = 2, moe.normalise = true, moe.scale = 2.5;
  return moe;
}

void expect(const Routing& got, const std::vector<int>& experts, const std::vector<double>& weights) {
  EXPECT_EQ(got.experts, experts);
  for (std::size_t i = 0; i < weights.size(); ++i) EXPECT_NEAR(got.weights[i], weights[i], 1e-6) << i;
}

TEST(Gate, DeepSeekV3KeepsTwoOfFourGroupsAndNormalises) {
  expect(choose_experts(v3(3), kLogits.data(), 1, nullptr), {3, 0, 2}, {0.979530, 0.854673, 0.665798});
}

TEST(Gate, DeepSeekV3NeverPicksFromAnExcludedGroupEvenIfAllBiasedScoresAreNegative) {
  const std::vector<float> bias(8, -0.9F);
  expect(choose_experts(v3(4), kLogits.data(), 1, bias.data()), {3, 0, 2, 1}, {0.823616, 0.718633, 0.559821, 0.397930});
}

TEST(Gate, TheBiasChangesTheChoiceButNotTheWeights) {
  spec::MoeShape moe = v3(1);
  moe.groups_used = 4;
  std::vector<float> bias(8, 0.0F);
  bias[7] = 1;
  expect(choose_experts(moe, kLogits.data(), 1, bias.data()), {7}, {2.5});
}

TEST(Gate, DeepSeekV2RanksGroupsByTheirBestAndDoesNotNormalise) {
  spec::MoeShape moe = eight(spec::Selection::group_limited_greedy, spec::Score::softmax, 3);
  moe.groups = 4, moe.groups_used = 2, moe.scale = 16;
  expect(choose_experts(moe, kLogits.data(), 1, nullptr), {3, 0, 2}, {6.950397, 3.123015, 1.403261});
}

TEST(Gate, DeepSeekMoE16BTakesSoftmaxScoresAsTheyAre) {
  expect(choose_experts(eight(spec::Selection::greedy, spec::Score::softmax, 2), kLogits.data(), 1, nullptr), {3, 0},
         {0.434400, 0.195188});
}

TEST(Gate, MixtralAndQwen3AreTheSameGateWrittenTwoWays) {
  expect(choose_experts(eight(spec::Selection::topk_softmax, spec::Score::softmax, 2), kLogits.data(), 1, nullptr),
         {3, 0}, {0.689974, 0.310026});
  spec::MoeShape qwen = eight(spec::Selection::greedy, spec::Score::softmax, 2);
  qwen.normalise = true;
  expect(choose_experts(qwen, kLogits.data(), 1, nullptr), {3, 0}, {0.689974, 0.310026});
}

TEST(Gate, Llama4WeighsByTheSigmoidOfTheOneLogit) {
  expect(choose_experts(eight(spec::Selection::top1_input, spec::Score::sigmoid, 1), kLogits.data(), 1, nullptr), {3},
         {0.880797});
}

TEST(Gate, EqualScoresGoToTheLowerId) {
  const std::vector<float> same(16, 0.25F);
  spec::MoeShape moe = eight(spec::Selection::topk_softmax, spec::Score::softmax, 3);
  expect(choose_experts(moe, same.data(), 2, nullptr), {0, 1, 2, 0, 1, 2}, {1.0 / 3, 1.0 / 3, 1.0 / 3});
  expect(choose_experts(v3(3), same.data(), 1, nullptr), {0, 1, 2}, {2.5 / 3, 2.5 / 3, 2.5 / 3});
}

TEST(Gate, RefusesLogitsThatAreNotNumbers) {
  std::vector<float> logits = kLogits;
  logits[5] = std::nanf("");
  EXPECT_THROW(choose_experts(v3(3), logits.data(), 1, nullptr), std::logic_error);
}
}  // namespace
}  // namespace moesim::numerics
