// What layers share with their model, and what a state costs.
#include <gtest/gtest.h>

#include "spec/attention_rules.h"
#include "spec/catalogue.h"
#include "spec/layer_shape.h"
#include "spec/scale.h"

namespace moesim::spec {
namespace {
TEST(LayerRules, WindowedLayersWithoutABaseOfTheirOwnRotateLikeTheOthers) {
  Model m = load_model("gpt-oss-20b");
  ASSERT_FALSE(m.attention.sliding_layers.empty());
  const int windowed = m.attention.sliding_layers.front();
  EXPECT_EQ(layer_shape(m, windowed).attention.rope.theta, m.rope.theta);
  EXPECT_TRUE(layer_shape(m, windowed).attention.rope.stretched);
  m.rope.local_theta = 500;
  EXPECT_EQ(layer_shape(m, windowed).attention.rope.theta, 500);
  EXPECT_FALSE(layer_shape(m, windowed).attention.rope.stretched);
}

// Layer 61 would not be a mixture among the others, where every fourth is one; it is the first MTP module's.
TEST(LayerRules, TheLayersOfMtpModulesAreMixturesWhateverTheOthersAre) {
  Model m = load_model("deepseek-v3");
  m.moe->layer_frequency = 4;
  EXPECT_EQ(layer_shape(m, 60).ffn.kind, FfnKind::dense);
  EXPECT_EQ(layer_shape(m, 61).ffn.kind, FfnKind::experts);
}

TEST(LayerRules, AStateTakesFiveOperationsANumberAndScalingKeepsHeadsAGroup) {
  const Model m = load_model("nemotron-3-nano-30b-a3b");
  ASSERT_TRUE(m.mamba);
  EXPECT_EQ(rules_of(AttentionKind::mamba2).state_flops(m), 5.0 * double(m.mamba->states()));
  const Model small = scaled(m, laptop_scale(m));
  EXPECT_EQ(small.mamba->heads / small.mamba->groups, m.mamba->heads / m.mamba->groups);
  EXPECT_EQ(small.mamba->heads % small.mamba->groups, 0);
}
}  // namespace
}  // namespace moesim::spec
