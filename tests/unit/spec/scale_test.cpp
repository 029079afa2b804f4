#include "spec/scale.h"

#include <gtest/gtest.h>

#include "spec/catalogue.h"
#include "spec/count.h"

namespace moesim::spec {
namespace {
TEST(Scale, AFactorOfSixteenDividesWidthsAndHeads) {
  Scale s;
  s.factor = 16;
  const Model m = scaled(load_model("deepseek-v3"), s);
  EXPECT_EQ(m.hidden, 448);             // 7168 / 16
  EXPECT_EQ(m.moe->expert_width, 128);  // 2048 / 16
  EXPECT_EQ(m.dense_width, 1152);       // 18432 / 16
  EXPECT_EQ(m.attention.heads, 8);      // 128 / 16
  EXPECT_EQ(m.attention.kv_heads, 8);
  EXPECT_EQ(m.attention.head_dim, 192);  // the heads took the whole factor
  EXPECT_EQ(m.attention.q_lora_rank, 96);
  EXPECT_EQ(m.attention.kv_lora_rank, 32);
  EXPECT_EQ(m.vocabulary, 8080);
  EXPECT_EQ(m.moe_layers().size(), 58u);
}

TEST(Scale, WhatTheHeadsCannotTakeComesOffTheHeadWidth) {
  Scale s;
  s.factor = 64;
  const Model m = scaled(load_model("mixtral-8x7b"), s);  // 32 heads, 8 KV heads, width 128
  EXPECT_EQ(m.attention.kv_heads, 1);
  EXPECT_EQ(m.attention.heads, 1);
  EXPECT_EQ(m.attention.head_dim, 64);  // 128 / (64 / 32)
}

TEST(Scale, GivenValuesWinOverTheFactor) {
  Scale s;
  s.factor = 16;
  s.hidden = 128;
  s.vocabulary = 300;
  const Model m = scaled(load_model("deepseek-v2-lite"), s);
  EXPECT_EQ(m.hidden, 128);
  EXPECT_EQ(m.vocabulary, 300);
  EXPECT_EQ(m.moe->expert_width, 88);
  EXPECT_EQ(m.attention.q_lora_rank, 0);
}

TEST(Scale, NothingGivenChangesNothing) {
  const Model m = load_model("deepseek-v3");
  EXPECT_EQ(count_parameters(scaled(m, {})).total(), count_parameters(m).total());
}

TEST(Scale, AScenarioNamesAModelAndItsScale) {
  const Config c = Config::from_text("model: {name: deepseek-v3, scale: {factor: 32, hidden: 128}}", "s.yaml");
  const Model m = read_model(c.at("model"));
  EXPECT_EQ(m.name, "deepseek-v3");
  EXPECT_EQ(m.hidden, 128);
  EXPECT_EQ(m.moe->experts, 256);
  EXPECT_NE(c.resolved().find("model.scale.factor: 32\n"), std::string::npos);
  EXPECT_NE(c.resolved().find("model.moe.expert_width: 64\n"), std::string::npos);
}

TEST(Scale, AnEntryMayExtendAndScaleAnother) {
  const Config c = Config::from_text("{extends: mixtral-8x7b, title: tiny, scale: {factor: 8}}", "s.yaml");
  EXPECT_EQ(read_model(c).hidden, 512);
}
}  // namespace
}  // namespace moesim::spec
