// Layers that keep a state: what is wrong is said with file, key and both values.
#include <gtest/gtest.h>

#include "spec/catalogue.h"
#include "spec/scale.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::spec {
namespace {
/// Of a model of four layers with these values for `delta`.
std::string error(const std::string& delta, const std::string& more = "") {
  const std::string text =
      "architecture: qwen3_next\nvocabulary: 64\nhidden: 32\nlayers: 4\n"
      "attention: {kind: GQA, heads: 4, kv_heads: 2, head_dim: 16, v_head_dim: 16}\n"
      "moe: {experts: 8, expert_width: 16, top_k: 2}\ndelta: {" +
      delta + "}\n" + more;
  return test::refusal_of([&] { (void)read_model(Config::from_text(text, "m.yaml")); });
}
const std::string kWidths = "key_heads: 2, value_heads: 4, key_dim: 16, value_dim: 16, convolution: 4";

TEST(RejectDelta, LayersAndHeads) {
  EXPECT_EQ(error(kWidths + ", layers: [0, 1, 2]"), "accepted");
  EXPECT_EQ(error(kWidths + ", layers: [0, 4]"),
            "m.yaml:7:91: delta.layers: must be ascending layer numbers from 0 to 3, got 4");
  EXPECT_EQ(error(kWidths + ", layers: [2, 1]"),
            "m.yaml:7:91: delta.layers: must be ascending layer numbers from 0 to 3, got 1");
  EXPECT_EQ(error(kWidths + ", layers: []"), "m.yaml:7:91: delta.layers: names no layer; leave `delta` out");
  EXPECT_EQ(error("key_heads: 3, value_heads: 4, key_dim: 16, value_dim: 16, convolution: 4, layers: [0]"),
            "m.yaml:7:20: delta.key_heads: must divide the 4 value heads, got 3");
  EXPECT_EQ(error("key_heads: 2, value_heads: 4, key_dim: 0, value_dim: 16, convolution: 4, layers: [0]"),
            "m.yaml:7:48: delta.key_dim: must be more than 0, got 0");
}

TEST(RejectDelta, AKindThatIsOfItsOwnLayersAlone) {
  const std::string said = test::refusal_of([] {
    (void)read_model(Config::from_text("extends: mixtral-8x7b\nattention: {kind: gated DeltaNet}\n", "m.yaml"));
  });
  EXPECT_EQ(said,
            "m.yaml:2:19: attention.kind: gated DeltaNet is what the layers of `delta` have; expected MHA, GQA or MLA "
            "for the others");
}

TEST(RejectDelta, ScalesOfModelsWithoutStates) {
  EXPECT_EQ(test::refusal_of([] {
              Scale s;
              s.state_heads = 2;
              (void)scaled(load_model("mixtral-8x7b"), s);
            }),
            "scale.state_heads: the model has no layers with a state");
}

std::string config_error(const std::string& more) {
  const TemporaryFolder folder;
  const std::string file = folder.write("config.json", R"({"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 4,
      "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 16, )" +
                                                           more + "}");
  std::string out = test::refusal_of([&] { (void)load_model(file); });
  for (std::size_t at; (at = out.find(file)) != std::string::npos;) out.replace(at, file.size(), "c.json");
  return out;
}

TEST(RejectDelta, KeysOfAConfigJson) {
  EXPECT_EQ(config_error(R"("model_type": "qwen3_next", "linear_num_key_heads": 3, "linear_num_value_heads": 4)"),
            "c.json: linear_num_key_heads: must divide linear_num_value_heads 4, got 3");
  const std::string minimax = R"("model_type": "minimax_m2", "num_local_experts": 8, "num_experts_per_tok": 2)";
  EXPECT_EQ(config_error(minimax + R"(, "rotary_dim": 7)"),
            "c.json: rotary_dim: must be even and at most the head_dim 16, got 7");
  EXPECT_EQ(config_error(minimax + R"(, "rotary_dim": 18)"),
            "c.json: rotary_dim: must be even and at most the head_dim 16, got 18");
  const std::string olmoe = R"("model_type": "olmoe", "num_experts": 8, "num_experts_per_tok": 2)";
  EXPECT_EQ(config_error(olmoe + R"(, "clip_qkv": 8.0)"),
            "c.json: model_type \"olmoe\" can be counted and not run: clip_qkv: queries, keys and values that are "
            "clipped have no forward pass");
  EXPECT_EQ(config_error(olmoe + R"(, "hidden_act": "gelu")"),
            "c.json: model_type \"olmoe\" can be counted and not run: hidden_act: expected silu, got \"gelu\"");
}
}  // namespace
}  // namespace moesim::spec
