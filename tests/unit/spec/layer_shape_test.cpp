#include "spec/layer_shape.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "core/files.h"
#include "spec/catalogue.h"

namespace moesim::spec {
namespace {
using Span = KeysRead::Span;

/// What the publishers say of a model's layers: how many there are, have experts, read a window, have no RoPE.
struct Layers {
  int all = 0, experts = 0, windowed = 0, no_rope = 0, states = 0;
  bool operator==(const Layers&) const = default;
};
Layers layers_of(const Model& m) {
  Layers out;
  for (const LayerShape& l : layer_shapes(m)) {
    ++out.all;
    out.experts += l.has_experts();
    out.windowed += l.attention.keeps.bounded();
    const bool state = keeps_state(l.attention.kind);
    out.no_rope += !l.attention.rope.active && caches_tokens(l.attention.kind);
    out.states += state;
  }
  return out;
}
void PrintTo(const Layers& l, std::ostream* out) {
  *out << l.all << " layers, " << l.experts << " with experts, " << l.windowed << " windowed, " << l.no_rope
       << " without RoPE, " << l.states << " with a state";
}

TEST(LayerShape, EveryModelOfTheCatalogueHasItsPublishedLayers) {
  const std::map<std::string, Layers> published = {{"deepseek-coder-v2", {60, 59}},
                                                   {"deepseek-coder-v2-lite", {27, 26}},
                                                   {"deepseek-llm-67b", {95}},
                                                   {"deepseek-llm-7b", {30}},
                                                   {"deepseek-r1", {61, 58}},
                                                   {"deepseek-r1-0528", {61, 58}},
                                                   {"deepseek-r1-distill-qwen-7b", {28}},
                                                   {"deepseek-r1-zero", {61, 58}},
                                                   {"deepseek-r1t-chimera", {61, 58}},
                                                   {"deepseek-r1t2-chimera", {61, 58}},
                                                   {"deepseek-v2", {60, 59}},
                                                   {"deepseek-v2-lite", {27, 26}},
                                                   {"deepseek-v3", {61, 58}},
                                                   {"deepseek-v3-0324", {61, 58}},
                                                   {"deepseek-v3.1", {61, 58}},
                                                   {"deepseek-v3.1-nvfp4", {61, 58}},
                                                   {"deepseek-v3.2", {61, 58}},
                                                   {"deepseek-v4-flash", {43, 43}},
                                                   {"deepseek-v4-pro", {61, 61}},
                                                   {"deepseekmoe-145b", {62, 61}},
                                                   {"deepseekmoe-16b", {28, 27}},
                                                   {"deepseekmoe-2b", {9, 9}},
                                                   {"gemma-3-27b", {62, 0, 52}},
                                                   {"gemma-4-26b-a4b", {30, 30, 25}},
                                                   {"longcat-flash", {56, 28}},
                                                   {"mimo-v2-flash", {48, 47, 39}},
                                                   {"step-3.7-flash", {45, 42, 33}},
                                                   {"glm-4.5", {92, 89}},
                                                   {"glm-4.6", {92, 89}},
                                                   {"glm-4.7", {92, 89}},
                                                   {"glm-5", {78, 75}},
                                                   {"glm-5.2", {78, 75}},
                                                   {"gpt-oss-120b", {36, 36, 18}},
                                                   {"gpt-oss-20b", {24, 24, 12}},
                                                   {"hy3", {80, 79}},
                                                   {"kimi-k2.5", {61, 60}},
                                                   {"kimi-k2.5-nvfp4", {61, 60}},
                                                   {"llama-4-scout", {48, 48, 36, 12}},
                                                   {"kimi-k3", {93, 92, 0, 24, 69}},
                                                   {"kimi-linear-48b-a3b", {27, 26, 0, 7, 20}},
                                                   {"step-3", {61, 56}},
                                                   {"minimax-m2.5", {62, 62}},
                                                   {"minimax-m3", {60, 57}},
                                                   {"qwen3-coder-480b-a35b", {62, 62}},
                                                   {"kimi-k2", {61, 60}},
                                                   {"llama-2-70b", {80}},
                                                   {"llama-2-7b", {32}},
                                                   {"llama-3.1-405b", {126}},
                                                   {"llama-4-maverick", {48, 24, 36, 12}},
                                                   {"mistral-7b", {32, 0, 32}},
                                                   {"mixtral-8x22b", {56, 56}},
                                                   {"mixtral-8x7b", {32, 32}},
                                                   {"nemotron-3-nano-30b-a3b", {52, 23, 0, 6, 23}},
                                                   {"nemotron-3-super-120b-a12b", {88, 40, 0, 8, 40}},
                                                   {"nemotron-3-ultra-550b-a55b", {108, 48, 0, 12, 48}},
                                                   {"qwen2.5-72b", {80}},
                                                   {"qwen2.5-7b", {28}},
                                                   {"qwen3-235b-a22b", {94, 94}},
                                                   {"qwen3-30b-a3b", {48, 48}},
                                                   {"qwen3-next-80b-a3b", {48, 48, 0, 0, 36}},
                                                   {"qwen3.5-122b-a10b", {48, 48, 0, 0, 36}},
                                                   {"qwen3.5-35b-a3b", {40, 40, 0, 0, 30}},
                                                   {"qwen3.5-397b-a17b", {60, 60, 0, 0, 45}}};
  for (const std::string& name : catalogue_names("models")) {
    const Model m = load_model(name);
    if (!m.can_run()) continue;
    ASSERT_TRUE(published.contains(name)) << name;
    EXPECT_EQ(layers_of(m), published.at(name)) << name;
  }
}

TEST(LayerShape, Gemma3HasFiveLocalLayersToOneGlobal) {
  const Model m = load_model("gemma-3-27b");
  for (int layer = 0; layer < m.layers; ++layer) {
    const LayerAttention a = layer_shape(m, layer).attention;
    const bool global = layer % 6 == 5;
    EXPECT_EQ(a.reads, global ? KeysRead{} : (KeysRead{Span::sliding, 1024})) << layer;
    EXPECT_EQ(a.keeps.last, global ? 0 : 1024) << layer;
    EXPECT_EQ(a.rope.theta, global ? 1e6 : 1e4) << layer;
    EXPECT_EQ(a.rope.stretched, global) << layer;
    EXPECT_EQ(a.head_norm, HeadNorm::before_rope);
  }
}

TEST(LayerShape, GptOssAlternatesFromASlidingLayerOn) {
  const Model m = load_model("gpt-oss-120b");
  for (int layer = 0; layer < m.layers; ++layer)
    EXPECT_EQ(layer_shape(m, layer).attention.reads, layer % 2 == 0 ? (KeysRead{Span::sliding, 128}) : KeysRead{})
        << layer;
}

TEST(LayerShape, Llama4ReadsChunksWhereItHasPositions) {
  const Model m = load_model("llama-4-maverick");
  for (int layer = 0; layer < m.layers; ++layer) {
    const LayerShape l = layer_shape(m, layer);
    const bool global = layer % 4 == 3;
    EXPECT_EQ(l.attention.rope.active, !global) << layer;
    EXPECT_TRUE(l.attention.rope.interleaved);
    EXPECT_EQ(l.attention.reads, global ? KeysRead{} : (KeysRead{Span::chunk, 8192})) << layer;
    EXPECT_EQ(l.attention.keeps.last, global ? 0 : 8192) << layer;
    EXPECT_EQ(l.ffn, layer % 2 == 1 ? (LayerFfn{FfnKind::experts, 8192}) : (LayerFfn{FfnKind::dense, 16384})) << layer;
  }
}

TEST(LayerShape, MlaTurnsTheLastColumnsOfAHead) {
  const LayerRope rope = layer_shape(load_model("deepseek-v3"), 0).attention.rope;
  EXPECT_EQ(rope.first, 128);
  EXPECT_EQ(rope.dims, 64);
  EXPECT_TRUE(rope.interleaved);
  EXPECT_EQ(layer_shape(load_model("glm-4.5"), 0).attention.rope.dims, 64);  // half of 128
}

TEST(LayerShape, AnMtpModuleIsAnMoeLayerThatReadsEverything) {
  const Model v3 = load_model("deepseek-v3");
  EXPECT_FALSE(layer_shape(v3, 0).has_experts());
  EXPECT_TRUE(layer_shape(v3, v3.layers).has_experts());
  EXPECT_FALSE(layer_shape(v3, v3.layers).attention.reads.bounded());
}

TEST(LayerShape, Qwen3NextAttendsInEveryFourthLayerAndKeepsAStateInTheOthers) {
  const Model m = load_model("qwen3-next-80b-a3b");
  for (int layer = 0; layer < m.layers; ++layer) {
    const LayerAttention a = layer_shape(m, layer).attention;
    const bool full = layer % 4 == 3;
    EXPECT_EQ(a.kind, full ? AttentionKind::gqa : AttentionKind::gated_delta) << layer;
    EXPECT_EQ(a.rope.active, full) << layer;
    EXPECT_EQ(a.rope.dims, full ? 64 : 0) << layer;  // a quarter of 256
    EXPECT_EQ(a.head_norm, full ? HeadNorm::before_rope : HeadNorm::none) << layer;
  }
  EXPECT_EQ(caching_layers(m), 12);
}

TEST(LayerShape, FollowsWhatIsDoneToTheModel) {
  Model m = load_model("gpt-oss-120b");
  m.attention.sliding_layers = {1};
  EXPECT_FALSE(layer_shape(m, 0).attention.reads.bounded());
  EXPECT_TRUE(layer_shape(m, 1).attention.reads.bounded());
  EXPECT_EQ(windowed_layers(m), 1);
}

TEST(KeysRead, FirstKeys) {
  const KeysRead all, sliding{Span::sliding, 4}, chunk{Span::chunk, 4};
  EXPECT_EQ(all.first_key(9), 0);
  EXPECT_EQ(sliding.first_key(3), 0);
  EXPECT_EQ(sliding.first_key(4), 1);  // 1, 2, 3 and itself
  EXPECT_EQ(chunk.first_key(3), 0);
  EXPECT_EQ(chunk.first_key(4), 4);  // itself alone
  EXPECT_EQ(sliding.seen(100), 3);
  EXPECT_EQ(chunk.seen(102), 2);
  EXPECT_EQ(KeysKept{4}.of(3), 3);
  EXPECT_EQ(KeysKept{4}.of(5), 4);
  EXPECT_EQ(KeysKept{}.of(5), 5);
}
}  // namespace
}  // namespace moesim::spec
