// Drafts: chains and trees, the model's own layer and EAGLE heads.
#include "serving/step/speculation.h"

#include "spec/catalogue.h"
#include "support/refusal.h"
#include "unit/serving/small_runs.h"

namespace moesim::serving {
namespace {
TEST(Speculation, ATreeGainsByItsLevelsAndVerifiesItsNodes) {
  SpeculationSpec spec{.kind = DraftKind::eagle, .acceptance = {0.5, 0.5, 0.5}};
  EXPECT_EQ(spec.drafts(), 3);
  spec.tree = {.width = 4, .tokens = 16};
  EXPECT_EQ(spec.depth(), 3);
  EXPECT_EQ(spec.drafts(), 16);
  EXPECT_DOUBLE_EQ(spec.tokens_per_step(), 1.875);
  Random random(1, "drafts");
  double sum = 0;
  int most = 0;
  for (int i = 0; i < 20000; ++i) {
    const int tokens = spec.draw(random);
    most = std::max(most, tokens);
    sum += tokens;
  }
  EXPECT_EQ(most, 4);
  EXPECT_NEAR(sum / 20000, 1.875, 0.03);
}

TEST(Speculation, TreesThatCannotGrowAreRefused) {
  const auto refusal = [](const SpeculationSpec& spec) { return test::refusal_of([&] { check_speculation(spec); }); };
  const std::vector<double> two{0.7, 0.6};
  EXPECT_EQ(refusal({.kind = DraftKind::eagle, .acceptance = two, .tree = {.width = 3}}),
            "tree.tokens: missing: a tree of width 3 needs the drafts a step verifies, 2 to 12");
  EXPECT_EQ(refusal({.kind = DraftKind::mtp, .acceptance = two, .tree = {.width = 3, .tokens = 13}}),
            "tree.tokens: 2 levels of width 3 grow 2 to 12 drafts, got 13");
  EXPECT_EQ(refusal({.kind = DraftKind::eagle, .acceptance = two, .tree = {.width = 1, .tokens = 3}}),
            "tree.tokens: 2 levels of width 1 grow 2 to 2 drafts, got 3");
  EXPECT_EQ(refusal({.kind = DraftKind::ngram, .acceptance = two, .tree = {.width = 2, .tokens = 4}}),
            "tree: has no effect: ngram drafts a chain");
  EXPECT_EQ(refusal({.kind = DraftKind::mtp, .acceptance = two, .eagle = {.ffn_width = 100}}),
            "eagle: has no effect: the kind is mtp");
}

TEST(Speculation, AnEagleHeadIsOneDenseLayerOfTheModelsWidth) {
  const spec::Model target = spec::load_model("gpt-oss-20b");
  const spec::Model head = eagle_model(target, {.ffn_width = 17280, .vocabulary = 32000});
  EXPECT_EQ(head.layers, 1);
  EXPECT_FALSE(head.moe);
  EXPECT_EQ(head.hidden, target.hidden);
  EXPECT_EQ(head.dense_width, 17280);
  EXPECT_EQ(head.vocabulary, 32000);
  EXPECT_EQ(head.attention.sliding_window, 0);
  EXPECT_EQ(test::refusal_of([&] { eagle_model(target, {}); }),
            "eagle.ffn_width: missing: gpt-oss-20b has no dense layer whose width the head could have");
  EXPECT_EQ(test::refusal_of([&] { eagle_model(spec::load_model("deepseek-v3"), {}); }),
            "kind: EAGLE heads have grouped-query attention, deepseek-v3 has MLA; its own drafts are mtp");
}

std::string drafted(const std::string& speculation) {
  return "model: qwen3-30b-a3b\ncluster: {node: hgx-h100, nodes: 1, fabric: ib-rail}\nrouting: {kind: balanced}\n"
         "serving:\n  duration: 20 s\n"
         "  workload: {kind: poisson, rate: 20, input: {kind: fixed, mean: 500}, output: {kind: fixed, mean: 100}}\n" +
         speculation + "  pools:\n    - {parallel: {data: 8}}\n";
}

TEST(Speculation, AnEagleHeadTakesItsWeightsAndCacheFromTheRoomOfTheModels) {
  const Ran plain = run(drafted("")),
            eagle = run(drafted("  speculation: {kind: eagle, acceptance: [0.7, 0.5], eagle: {ffn_width: 6144, "
                                "vocabulary: 32000}}\n"));
  EXPECT_NEAR(eagle.at("tokens_per_step", "pool:both"), 2.05, 0.03);
  // BF16: queries 32 x 128, keys and values 2 x 4 x 128, output, gate, up and down, 2h -> h, head.
  const double hidden = 2048, weights = 2 * hidden * (4096 + 1024 + 4096 + 3 * 6144 + 2 * hidden + 32000),
               token = 2.0 * 2 * 4 * 128;  // keys and values of one layer
  const double before = plain.at("kv_capacity", "pool:both") * 48 * token,
               after = eagle.at("kv_capacity", "pool:both") * 49 * token;
  EXPECT_NEAR(before - after, weights, 0.02 * weights + 64 * 49 * token);
}

TEST(Speculation, WiderTreesGainMoreTokensInLongerSteps) {
  const auto with = [](int width, int tokens, double chance) {
    return run(
        drafted(fmt::format("  speculation: {{kind: eagle, acceptance: [{0}, {0}, {0}], tree: {{width: {1}, "
                            "tokens: {2}}}, eagle: {{ffn_width: 6144}}}}\n",
                            chance, width, tokens)));
  };
  const Ran chain = with(1, 3, 0.6), tree = with(4, 12, 0.8), wide = with(8, 60, 0.8);
  EXPECT_GT(tree.at("tokens_per_step", "pool:both"), chain.at("tokens_per_step", "pool:both"));
  EXPECT_GT(tree.at("step_time_p50", "pool:both"), chain.at("step_time_p50", "pool:both"));
  EXPECT_GT(wide.at("step_time_p50", "pool:both"), tree.at("step_time_p50", "pool:both"));
}
}  // namespace
}  // namespace moesim::serving
