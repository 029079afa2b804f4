// What is wrong in a release's config.json is said with its file, its key and both values.
#include <gtest/gtest.h>

#include "spec/catalogue.h"
#include "spec/release/read_release.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::spec::releases {
namespace {
std::string error(const std::string& text) {
  const std::string out = test::refusal_of([&] { (void)read_release_text(text, "c"); });
  return out.starts_with("c: ") ? out.substr(3) : out;
}
const std::string kHead =
    R"({"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 48, "num_attention_heads": 4)";
std::string with(const std::string& more) { return kHead + ", " + more + "}"; }
std::string quantised(const std::string& how) {
  return error(with(R"("model_type": "llama", "quantization_config": {)" + how + "}"));
}

TEST(RejectRelease, ContradictingKeys) {
  EXPECT_EQ(error(with(R"("model_type": "llama", "num_key_value_heads": 3)")),
            "num_key_value_heads: must divide num_attention_heads 4, got 3");
  EXPECT_EQ(error(with(R"("model_type": "gpt_oss", "num_experts_per_tok": 4, "experts_per_token": 2)")),
            "experts_per_token: must equal num_experts_per_tok 4, got 2");
  EXPECT_EQ(error(with(R"("model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 5)")),
            "num_experts_per_tok: must be 1 to the 4 experts, got 5");
  const std::string latent = R"("kv_lora_rank": 8, "qk_nope_head_dim": 8, "qk_rope_head_dim": 4, "v_head_dim": 8)";
  EXPECT_EQ(error(with(R"("model_type": "deepseek_v3", "num_key_value_heads": 2, )" + latent)),
            "num_key_value_heads: must equal num_attention_heads 4 for MLA, got 2");
  EXPECT_EQ(error(with(R"("model_type": "deepseek_v3", "qk_head_dim": 16, )" + latent)),
            "qk_head_dim: must be qk_nope_head_dim + qk_rope_head_dim = 12, got 16");
  EXPECT_EQ(error(R"({"model_type": "nemotron_h", "vocab_size": 8, "hidden_size": 8, "num_hidden_layers": 3,
                      "hybrid_override_pattern": "M*"})"),
            "num_hidden_layers: hybrid_override_pattern has 2 layers, got 3");
}

TEST(RejectRelease, ListsOfTheWrongLength) {
  EXPECT_EQ(error(with(R"("model_type": "qwen3", "layer_types": ["full_attention"])")),
            "layer_types: must have one entry for each of the 2 layers, has 1");
  EXPECT_EQ(error(with(R"("model_type": "qwen3", "layer_types": ["full_attention", "full"])")),
            "layer_types: \"full\" is not known; there are: full_attention, sliding_attention");
}

TEST(RejectRelease, WidthsThatDoNotDivide) {
  EXPECT_EQ(error(R"({"model_type": "llama", "vocab_size": 64, "hidden_size": 30, "num_hidden_layers": 2,
                      "intermediate_size": 48, "num_attention_heads": 4})"),
            "num_attention_heads: must divide hidden_size 30 when head_dim is missing, got 4");
  EXPECT_EQ(quantised(R"("quant_method": "awq", "bits": 4, "group_size": 20)"),
            "groups of 20 do not divide the input width 32 of layers.0.self_attn.q_proj");
}

TEST(RejectRelease, QuantisationsOfOtherTools) {
  EXPECT_EQ(error(with(R"("model_type": "llama", "quantization": {"group_size": 64, "bits": 4})")),
            "quantization: bits and group_size without quant_method are MLX's, which is not read");
  EXPECT_EQ(error(with(R"("model_type": "llama", "expert_dtype": "fp4")")),
            "expert_dtype: says fp4, and there is no quantization_config");
}

TEST(RejectRelease, QuantisationsThatDoNotExist) {
  EXPECT_EQ(
      quantised(R"("quant_method": "fp9")"),
      "quantization_config.quant_method: \"fp9\" is not read; there are: fp8, fbgemm_fp8, mxfp4, mxfp8, modelopt, "
      "compressed-tensors, awq, gptq, auto-round, bitsandbytes");
  EXPECT_EQ(quantised(R"("quant_method": "modelopt", "quant_algo": "NVFP5")"),
            "quantization_config.quant_algo: there is no quantisation \"NVFP5\"; there are: FP8, "
            "FP8_PER_CHANNEL_PER_TOKEN, FP8_PB_WO, NVFP4, MXFP4, MXFP8, W4A16_AWQ, W4A8_AWQ, W8A16, INT8, "
            "MIXED_PRECISION");
  EXPECT_EQ(quantised(R"("quant_method": "gptq", "bits": 5, "group_size": 32)"),
            "quantization_config.bits: expected 2, 3, 4 or 8, got 5");
  EXPECT_EQ(quantised(R"("quant_method": "fp8", "shrinks_by": 3)"),
            "quantization_config.shrinks_by: is not understood for fp8, so the weights cannot be weighed");
  EXPECT_EQ(quantised(R"("quant_method": "bitsandbytes")"),
            "quantization_config.load_in_4bit: one of it and load_in_8bit must be true, both are false");
  EXPECT_EQ(quantised(R"("quant_method": "compressed-tensors", "ignore": ["re:("], "config_groups": {})"),
            "quantization_config.ignore: \"re:(\" is no regular expression that is read here");
}

// Each of these would be weighed wrongly if it were passed over.
TEST(RejectRelease, QuantisationsThatSayLessOrMoreThanIsRead) {
  EXPECT_EQ(quantised(R"("quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": {})"),
            "quantization_config.quantized_layers: is empty");
  EXPECT_EQ(quantised(R"("quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers":
                      {"transformer.h.0.attn": {"quant_algo": "FP8"}})"),
            "its quantisation, MIXED_PRECISION (modelopt), names no weight of this model");
  EXPECT_EQ(quantised(R"("quant_method": "mxfp4")"), "its quantisation, MXFP4 experts, names no weight of this model");
  EXPECT_EQ(quantised(R"("quant_method": "modelopt", "quant_algo": "NVFP4", "config_groups":
                      {"group_0": {"weights": {"num_bits": 8}}})"),
            "quantization_config.config_groups: group_0 has weights of 8 bits, and quant_algo is NVFP4");
  EXPECT_EQ(quantised(R"("quant_method": "fp8", "weight_block_size": [16, 16], "weight_per_tensor": true)"),
            "quantization_config.weight_per_tensor: is true, and weight_block_size has blocks");
  EXPECT_EQ(quantised(R"("quant_method": "auto-round", "bits": 4, "group_size": 16, "data_type": "nv_fp")"),
            "quantization_config.data_type: expected int, got \"nv_fp\"");
  const std::string groups = R"("quant_method": "compressed-tensors", "config_groups":
      {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float", "strategy": "channel"}}}, )";
  EXPECT_EQ(
      quantised(groups + R"("sparsity_config": {"format": "sparse-24-bitmask"})"),
      "quantization_config.sparsity_config: weights packed as \"sparse-24-bitmask\" are not read, only dense ones");
  EXPECT_EQ(quantised(groups + R"("format": "marlin-24")").substr(0, 53),
            "quantization_config.format: \"marlin-24\" is not read; ");
}

TEST(RejectRelease, AnUnknownTypeWithUnknownKeys) {
  EXPECT_EQ(error(with(R"("model_type": "newest", "memory_slots": 7, "loop_count": 2)")),
            "model_type: \"newest\" is not known, and these keys of it mean something unknown: loop_count, "
            "memory_slots");
  EXPECT_EQ(error(with(R"("model_type": "newest", "hidden_act": "relu2")")).substr(0, 76),
            "hidden_act: \"relu2\" does not say whether networks have two matrices or three");
  EXPECT_EQ(error(R"({"model_type": "newest"})"),
            "missing key \"hidden_size\" (model_type \"newest\" is not known, and its keys do not describe a plain "
            "decoder)");
}

TEST(RejectRelease, NumbersBeyondAnyModel) {
  EXPECT_EQ(error(with(R"("model_type": "llama", "num_nextn_predict_layers": 16000000)")),
            "num_nextn_predict_layers: expected at most 1000, got 16000000");
  EXPECT_EQ(error(R"({"model_type": "llama", "vocab_size": 64, "hidden_size": 16777216, "num_hidden_layers": 2,
                      "intermediate_size": 16777216, "num_attention_heads": 4096, "head_dim": 16777216})")
                .substr(0, 30),
            "layers.0.self_attn.q_proj: 687");
}

TEST(RejectRelease, TwoFilesThatContradictEachOther) {
  const TemporaryFolder folder;
  const std::string file =
      folder.write("config.json", with(R"("model_type": "llama", "quantization_config": {"quant_method": "fp8"})"));
  const std::string beside =
      folder.write("hf_quant_config.json", R"({"quantization": {"quant_algo": "NVFP4", "group_size": 16}})");
  EXPECT_EQ(test::refusal_of([&] { (void)read_release(file); }),
            beside + ": quantization.quant_algo: says nvfp4, and config.json says fp8 tensor");
  // As many bits, and not the same format.
  (void)folder.write("config.json", with(R"("model_type": "llama", "quantization_config": {"quant_algo": "NVFP4"})"));
  (void)folder.write("hf_quant_config.json", R"({"quantization": {"quant_algo": "W4A16_AWQ", "group_size": 32}})");
  EXPECT_EQ(test::refusal_of([&] { (void)read_release(file); }),
            beside + ": quantization.quant_algo: says int4 group 32, and config.json says nvfp4");
}

TEST(RejectRelease, CatalogueEntriesThatHoldAConfig) {
  const TemporaryFolder folder;
  const auto said = [&](const std::string& text) {
    const std::string file = folder.write("m.yaml", text);
    const std::string out = test::refusal_of([&] { (void)load_model(file); });
    return out.starts_with(file) ? out.substr(file.size()) : out;
  };
  EXPECT_EQ(said("config: [1]\n"), ":1:9: config: expected the keys of a config.json");
  EXPECT_EQ(said("extends: deepseek-v3\nconfig: {hidden_size: 8}\n"),
            ":2:9: config: the entry it extends has no config of its own to change");
  EXPECT_EQ(said("config: {model_type: llama}\nhiden: 3\n"),
            ":2:1: unknown key \"hiden\"; known keys: extends, config, title, family, hugging_face, license, source, "
            "published");
  EXPECT_EQ(said("extends: qwen3-coder-480b-a35b\nconfig: {num_attention_heads: 5}\n"),
            ": config: num_key_value_heads: must divide num_attention_heads 5, got 8");
}
}  // namespace
}  // namespace moesim::spec::releases
