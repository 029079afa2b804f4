// Counts and bytes of small releases, worked out by hand.  Sums of tensors that the makers' own code builds for a
// configuration are said as such.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "spec/release/read_release.h"
#include "spec/release/totals.h"

namespace moesim::spec {
namespace {
std::int64_t total_of(const std::string& text) { return count_release(read_release_text(text, "c")).total; }

// Embedding and head 2 x 10 x 8; q 8 x 8, k and v 4 x 8, o 8 x 8, norms of 4 and 4; three of 6 x 8; three norms of 8.
TEST(ReleaseFormula, DenseQwen3) {
  EXPECT_EQ(total_of(R"({"model_type": "qwen3", "vocab_size": 10, "hidden_size": 8, "num_hidden_layers": 1,
                         "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 4, "intermediate_size": 6})"),
            160 + 64 + 32 + 32 + 64 + 8 + 144 + 24);
}

// A dense first layer has no gate, 2 x 8, and one network where a mixture has two experts and a shared one.
TEST(ReleaseFormula, HunyuansFirstLayersMayBeDense) {
  const auto of = [](const std::string& skipped) {
    return total_of(R"({"model_type": "hunyuan_v1_moe", "vocab_size": 10, "hidden_size": 8, "num_hidden_layers": 2,
                        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 4, "intermediate_size": 6,
                        "num_experts": 2, "moe_topk": 1, "num_shared_expert": 1, "moe_layer_num_skipped": )" +
                    skipped + "}");
  };
  EXPECT_EQ(of("0") - of("1"), 2 * 144 + 16);
}

// Sums of the tensors that the makers' modeling files build.
TEST(ReleaseFormula, OneOfEachNewerFamily) {
  const std::string head = R"({"vocab_size": 384, "hidden_size": 64, "tie_word_embeddings": false, )";
  const std::string latent = R"("kv_lora_rank": 32, "q_lora_rank": 48, "num_attention_heads": 4, "n_shared_experts": 1,
      "first_k_dense_replace": 1, "intermediate_size": 160, "moe_intermediate_size": 32, "index_head_dim": 16,
      "index_n_heads": 8, "index_topk": 8, )";
  EXPECT_EQ(total_of(head + latent + R"("model_type": "deepseek_v32", "num_hidden_layers": 4, "n_routed_experts": 16,
      "num_experts_per_tok": 4, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8, "v_head_dim": 16})"),
            501'808);
  EXPECT_EQ(total_of(head + latent + R"("model_type": "glm_moe_dsa", "num_hidden_layers": 6, "n_routed_experts": 12,
      "num_experts_per_tok": 3, "qk_nope_head_dim": 24, "qk_rope_head_dim": 8, "v_head_dim": 32,
      "indexer_types": ["full", "full", "shared", "shared", "full", "shared"],
      "mlp_layer_types": ["dense", "sparse", "sparse", "sparse", "sparse", "sparse"]})"),
            670'396);
  EXPECT_EQ(total_of(head + R"("model_type": "minimax_m2", "num_hidden_layers": 4, "num_attention_heads": 6,
      "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 32, "num_experts_per_tok": 4,
      "num_local_experts": 16, "qk_norm_type": "per_layer"})"),
            513'152);
  EXPECT_EQ(total_of(head + R"("model_type": "olmoe", "num_hidden_layers": 4, "num_attention_heads": 4,
      "num_key_value_heads": 4, "intermediate_size": 32, "num_experts": 16, "num_experts_per_tok": 4})"),
            513'088);
  EXPECT_EQ(total_of(head + R"("model_type": "qwen2_moe", "num_hidden_layers": 4, "num_attention_heads": 4,
      "num_key_value_heads": 4, "intermediate_size": 144, "moe_intermediate_size": 28, "num_experts": 15,
      "num_experts_per_tok": 4, "shared_expert_intermediate_size": 96})"),
            516'416);
  EXPECT_EQ(total_of(head + R"("model_type": "qwen3_next", "num_hidden_layers": 5, "num_attention_heads": 4,
      "num_key_value_heads": 2, "head_dim": 24, "linear_key_head_dim": 16, "linear_num_key_heads": 2,
      "linear_num_value_heads": 4, "linear_value_head_dim": 16, "moe_intermediate_size": 32, "num_experts": 16,
      "num_experts_per_tok": 4, "shared_expert_intermediate_size": 40})"),
            679'568);
  EXPECT_EQ(total_of(head + R"("model_type": "nemotron_h", "hybrid_override_pattern": "MEM*EME", "head_dim": 16,
      "num_attention_heads": 4, "num_key_value_heads": 2, "mamba_head_dim": 16, "mamba_num_heads": 8, "n_groups": 2,
      "ssm_state_size": 24, "conv_kernel": 4, "moe_intermediate_size": 48, "moe_shared_expert_intermediate_size": 96,
      "n_routed_experts": 16, "n_shared_experts": 1, "num_experts_per_tok": 4})"),
            494'360);
  // Without the tables of two layers that look experts up: 2 x 384 x 4.
  EXPECT_EQ(total_of(head + R"("model_type": "deepseek_v4", "num_hidden_layers": 5, "num_attention_heads": 4,
      "head_dim": 32, "hc_mult": 4, "index_head_dim": 16, "index_n_heads": 8, "index_topk": 4,
      "moe_intermediate_size": 32, "n_routed_experts": 16, "n_shared_experts": 1, "num_experts_per_tok": 4,
      "num_hash_layers": 2, "o_groups": 2, "o_lora_rank": 24, "q_lora_rank": 48, "qk_rope_head_dim": 8,
      "sliding_window": 8, "compress_ratios": [0, 4, 16, 4, 0]})"),
            773'927 - 3'072);
}

// Parameters of the released files as the Hugging Face pages count them; dots.llm1 as its card says (142.77 B).
TEST(ReleaseFormula, PublishedCountsOfOlderFamilies) {
  EXPECT_EQ(total_of(R"({"model_type": "dbrx", "d_model": 6144, "n_heads": 48, "n_layers": 40, "vocab_size": 100352,
      "attn_config": {"kv_n_heads": 8}, "ffn_config": {"ffn_hidden_size": 10752, "moe_num_experts": 16,
      "moe_top_k": 4}})"),
            131'596'523'520);
  EXPECT_EQ(total_of(R"({"model_type": "olmoe", "hidden_size": 2048, "intermediate_size": 1024, "vocab_size": 50304,
      "num_hidden_layers": 16, "num_attention_heads": 16, "num_key_value_heads": 16, "num_experts": 64,
      "num_experts_per_tok": 8, "tie_word_embeddings": false})"),
            6'919'161'856);
  EXPECT_EQ(total_of(R"({"model_type": "phimoe", "hidden_size": 4096, "intermediate_size": 6400, "vocab_size": 32064,
      "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "num_local_experts": 16,
      "num_experts_per_tok": 2, "attention_bias": true, "lm_head_bias": true})"),
            41'873'153'344);
  EXPECT_EQ(total_of(R"({"model_type": "jamba", "hidden_size": 4096, "intermediate_size": 14336, "vocab_size": 65536,
      "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "num_experts": 16,
      "num_experts_per_tok": 2, "attn_layer_period": 8, "attn_layer_offset": 4, "expert_layer_period": 2,
      "expert_layer_offset": 1, "mamba_d_state": 16, "mamba_d_conv": 4, "mamba_expand": 2, "mamba_dt_rank": 256})"),
            51'570'323'328);
  EXPECT_EQ(total_of(R"({"model_type": "qwen2_moe", "hidden_size": 2048, "intermediate_size": 5632,
      "vocab_size": 151936, "num_hidden_layers": 24, "num_attention_heads": 16, "num_key_value_heads": 16,
      "num_experts": 60, "num_experts_per_tok": 4, "moe_intermediate_size": 1408,
      "shared_expert_intermediate_size": 5632})"),
            14'315'784'192);
  EXPECT_EQ(total_of(R"({"model_type": "dots1", "hidden_size": 4096, "intermediate_size": 10944, "vocab_size": 152064,
      "num_hidden_layers": 62, "num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": 128,
      "n_routed_experts": 128, "n_shared_experts": 2, "num_experts_per_tok": 6, "moe_intermediate_size": 1408,
      "first_k_dense_replace": 1, "moe_layer_freq": 1})"),
            142'774'381'696);
}

// Four maps of 32 x 32 and three of 32 and 64: 10,240 linear weights, 40 blocks of 16 x 16, 288 rows, 7 tensors.
// Embedding, head and norms: 2 x 64 x 32 + 3 x 32 of two bytes: 8,384.
std::int64_t bytes_of(const std::string& how) {
  return weight_bytes(read_release_text(R"({"model_type": "llama", "vocab_size": 64, "hidden_size": 32,
      "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 64, "quantization_config": )" +
                                            how + "}",
                                        "c"),
                      true);
}

// The first three layers own their index whatever the step, then every second one does.
TEST(ReleaseFormula, LayersThatOwnAnIndexByStepAreThoseOfTheList) {
  const auto with = [](const std::string& rule) {
    return total_of(R"({"vocab_size": 384, "hidden_size": 64, "tie_word_embeddings": false, "kv_lora_rank": 32,
        "q_lora_rank": 48, "num_attention_heads": 4, "n_shared_experts": 1, "first_k_dense_replace": 1,
        "intermediate_size": 160, "moe_intermediate_size": 32, "index_head_dim": 16, "index_n_heads": 8,
        "index_topk": 8, "model_type": "glm_moe_dsa", "num_hidden_layers": 6, "n_routed_experts": 12,
        "num_experts_per_tok": 3, "qk_nope_head_dim": 24, "qk_rope_head_dim": 8, "v_head_dim": 32, )" +
                    rule + "}");
  };
  const auto listed = with(R"("indexer_types": ["full", "full", "full", "shared", "full", "shared"])");
  EXPECT_EQ(with(R"("index_topk_freq": 2, "index_skip_topk_offset": 3)"), listed);
  EXPECT_GT(with(R"("index_topk_freq": 1)"), listed);
}

// Of 384 words of width 64, twice; some releases leave it to the backbone's.
TEST(ReleaseFormula, SomeReleasesStoreEmbeddingAndHeadAgainForMtp) {
  const auto stored_again = [](const std::string& type) {
    const ReleaseTotals of = count_release(read_release_text(
        R"({"model_type": ")" + type + R"(", "vocab_size": 384, "hidden_size": 64, "intermediate_size": 160,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 16,
        "n_routed_experts": 8, "n_shared_experts": 1, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
        "first_k_dense_replace": 1, "num_nextn_predict_layers": 1})",
        "c"));
    EXPECT_GT(of.mtp, 0) << type;
    return of.mtp_stored - of.mtp;
  };
  EXPECT_EQ(stored_again("glm4_moe"), 2 * 384 * 64);
  EXPECT_EQ(stored_again("dots1"), 0);
}

TEST(ReleaseFormula, BytesOfEveryQuantisation) {
  constexpr std::int64_t kRest = 8'384;
  EXPECT_EQ(bytes_of("null"), 2 * 10'240 + kRest);
  EXPECT_EQ(bytes_of(R"({"quant_method": "fp8"})"), 10'240 + 7 * 8 + kRest);
  EXPECT_EQ(bytes_of(R"({"quant_method": "fp8", "weight_block_size": [16, 16]})"), 10'240 + 40 * 4 + kRest);
  EXPECT_EQ(bytes_of(R"({"quant_method": "fbgemm_fp8"})"), 10'240 + 288 * 4 + kRest);
  for (const char* method : {"modelopt", "modelopt_fp4", "nvfp4"})
    EXPECT_EQ(bytes_of(fmt::format(R"({{"quant_method": "{}", "quant_algo": "NVFP4"}})", method)),
              5'120 + 640 + 7 * 8 + kRest);
  EXPECT_EQ(bytes_of(R"({"quant_method": "modelopt_fp8", "quant_algo": "FP8"})"),
            bytes_of(R"({"quant_method": "modelopt", "quant_algo": "FP8"})"));
  EXPECT_EQ(bytes_of(R"({"quant_method": "mxfp8"})"), 10'240 + 320 + kRest);
  EXPECT_EQ(bytes_of(R"({"quant_method": "awq", "bits": 4, "group_size": 32})"), 5'120 + 320 * 20 / 8 + kRest);
  EXPECT_EQ(bytes_of(R"({"quant_method": "gptq", "bits": 4, "group_size": 32})"),
            5'120 + 320 * 20 / 8 + 4 * (6 * 32 + 64) + kRest);
  EXPECT_EQ(bytes_of(R"({"quant_method": "compressed-tensors", "ignore": ["lm_head"], "format": "pack-quantized",
      "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int",
      "strategy": "group", "group_size": 32, "symmetric": true}}}})"),
            5'120 + 640 + kRest);
  EXPECT_EQ(bytes_of(R"({"quant_method": "compressed-tensors", "ignore": ["lm_head"], "config_groups": {"group_0":
      {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float", "strategy": "channel"}}}})"),
            10'240 + 288 * 2 + kRest);
}

TEST(ReleaseFormula, BytesOfQuantisationsWithWordsOfTheirOwn) {
  constexpr std::int64_t kRest = 8'384;
  const auto compressed = [&](const std::string& format, const std::string& more) {
    return bytes_of(R"({"quant_method": "compressed-tensors", "ignore": ["lm_head"], "format": ")" + format +
                    R"(", "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4,
                    "strategy": "group", "group_size": 32)" +
                    more + "}}}}");
  };
  EXPECT_EQ(compressed("pack-quantized", R"(, "actorder": "weight")"), 5'120 + 640 + kRest);
  EXPECT_EQ(compressed("pack-quantized", R"(, "actorder": "group")"), 5'120 + 640 + 4 * (6 * 32 + 64) + kRest);
  EXPECT_EQ(compressed("int-quantized", ""), 10'240 + 640 + kRest) << "a byte for every number";
  // Two layers of one algorithm in groups of different sizes: two maps of 1,024 weights.
  EXPECT_EQ(bytes_of(R"({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": {
      "model.layers.0.self_attn.q_proj": {"quant_algo": "W4A16_AWQ", "group_size": 32},
      "model.layers.0.self_attn.k_proj": {"quant_algo": "W4A16_AWQ", "group_size": 16}}})"),
            2 * (10'240 - 2'048) + 2 * 512 + 2 * 32 + 2 * 64 + kRest);
  EXPECT_EQ(bytes_of(R"({"quant_method": "gptq", "bits": 4, "group_size": 32, "modules_in_block_to_quantize":
      [["self_attn.q_proj"], ["self_attn.k_proj"]]})"),
            2 * (10'240 - 2'048) + 2 * 512 + 64 * 20 / 8 + 2 * 4 * 32 + kRest);
}

// One layer of 4 x 32 x 32 attention, a gate of 2 x 32 and two experts of 3 x 32 x 16.
TEST(ReleaseFormula, ExpertsWithAnAlgorithmOfTheirOwn) {
  const Release r = read_release_text(R"({"model_type": "mixtral", "vocab_size": 64, "hidden_size": 32,
      "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 16, "num_local_experts": 2,
      "num_experts_per_tok": 1, "quantization_config": {"quant_method": "modelopt", "quant_algo": "FP8",
      "moe_quant_algo": "NVFP4"}})",
                                      "c");
  EXPECT_EQ(weight_bytes(r, true), 4 * (1'024 + 8) + 2 * 64 + 2 * (3 * (256 + 32 + 8)) + 2 * (2 * 64 * 32 + 3 * 32));
}

// What nested parts leave out is their class's: 8 heads and 4 of keys for Gemma-3, 8 of keys for Mistral; and
// DeepSeek-V2's layers without MLA have heads as wide as their share.
TEST(ReleaseFormula, HeadsThatTheClassSays) {
  const auto attention = [](const std::string& keys) {
    const ReleaseTotals t = count_release(read_release_text(
        R"({"text_config": {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 1, "intermediate_size": 64, )" +
            keys + "}}",
        "c"));
    for (const auto& [kind, count] : t.kinds)
      if (kind == TensorKind::attention) return count;
    return std::int64_t{0};
  };
  EXPECT_EQ(attention(R"("model_type": "gemma3_text")"), 2 * (8 + 4) * 256 * 32 + 2 * 256);
  EXPECT_EQ(attention(R"("model_type": "mistral", "num_attention_heads": 16, "head_dim": 4)"), 2 * (16 + 8) * 4 * 32);
  EXPECT_EQ(attention(R"("model_type": "deepseek_v2", "num_attention_heads": 4, "use_mla": false, "kv_lora_rank": null,
      "n_routed_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 8)"),
            4 * 32 * 32);
  EXPECT_EQ(attention(R"("model_type": "cohere", "num_attention_heads": 4, "use_qk_norm": true)"), 4 * 32 * 32 + 2 * 32)
      << "a weight for every column";
}

// Attention stays in two bytes, the network is FP8: each way of saying it.
TEST(ReleaseFormula, FormatsMixedByListsOfModules) {
  constexpr std::int64_t kMixed = 2 * 4'096 + 6'144 + 3 * 8 + 8'384;
  EXPECT_EQ(bytes_of(R"({"quant_method": "fp8", "ignored_layers": ["self_attn"]})"), kMixed);
  EXPECT_EQ(bytes_of(R"({"quant_method": "fp8", "modules_to_not_convert": ["model.layers.*.self_attn"]})"), kMixed);
  EXPECT_EQ(bytes_of(R"({"quant_method": "modelopt", "quant_algo": "FP8", "ignore":
      ["model.layers.0.self_attn*", "lm_head"]})"),
            kMixed);
  EXPECT_EQ(bytes_of(R"({"quant_method": "compressed-tensors", "ignore": ["re:.*self_attn.*", "lm_head"],
      "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float"}}}})"),
            kMixed);
  EXPECT_EQ(bytes_of(R"({"quant_method": "fp8", "modules_to_not_convert": ["gate"]})"), 10'240 + 7 * 8 + 8'384)
      << "a gate is no gate_proj";
}
}  // namespace
}  // namespace moesim::spec
