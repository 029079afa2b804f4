// DSA from config.json to a model: which layers have an indexer, what is cached, counted and written back.
#include <gtest/gtest.h>

#include "core/files.h"
#include "spec/catalogue.h"
#include "spec/count.h"
#include "spec/hugging_face.h"
#include "spec/layer_shape.h"
#include "spec/scale.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::spec {
namespace {
const std::string kKeys =
    R"("vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 6, "intermediate_size": 48, "num_attention_heads": 4,
       "q_lora_rank": 16, "kv_lora_rank": 8, "qk_nope_head_dim": 8, "qk_rope_head_dim": 4, "v_head_dim": 8,
       "n_routed_experts": 8, "moe_intermediate_size": 8, "num_experts_per_tok": 2, "first_k_dense_replace": 1,
       "max_position_embeddings": 64, "index_n_heads": 2, "index_head_dim": 8)";

/// The model of these keys, in place of those of kKeys.
Model read(const std::string& type, const std::string& more) {
  const TemporaryFolder folder;
  put_file(folder.file("config.json"), "{" + kKeys + R"(, "model_type": ")" + type + "\"" + more + "}");
  return read_hugging_face(folder.file("config.json"));
}
std::string refusal(const std::string& type, const std::string& more) {
  const std::string text = test::refusal_of([&] { (void)read(type, more); });
  const std::size_t at = text.find("config.json: ");
  return at == std::string::npos ? text : text.substr(at + 13);
}
std::vector<int> sharing(const Model& m) {
  std::vector<int> out;
  for (int layer = 0; layer < m.layers; ++layer)
    if (layer_shape(m, layer).attention.index == IndexUse::shared) out.push_back(layer);
  return out;
}

TEST(SparseAttention, TheReleasesHaveTheirIndexers) {
  const Model v32 = load_model("deepseek-v3.2"), glm5 = load_model("glm-5"), glm52 = load_model("glm-5.2");
  for (const Model* m : {&v32, &glm5, &glm52}) {
    ASSERT_TRUE(m->can_run()) << m->obstacle();
    EXPECT_EQ(m->attention.kind, AttentionKind::dsa);
    EXPECT_EQ(m->attention.indexer->head_dim, 128);
    EXPECT_EQ(m->attention.indexer->top_k, 2048);
  }
  EXPECT_EQ(v32.attention.indexer->heads, 64);
  EXPECT_FALSE(v32.attention.indexer->interleaved_rope);
  EXPECT_EQ(glm5.attention.indexer->heads, 32);
  EXPECT_TRUE(glm5.attention.indexer->interleaved_rope);
  EXPECT_EQ(layers_with_indexer(v32), 61);
  EXPECT_EQ(layers_with_indexer(glm5), 78);
  EXPECT_EQ(layers_with_indexer(glm52), 21);  // three, then one of four
  EXPECT_EQ(layer_shape(glm52, 78).attention.index, IndexUse::own) << "the MTP module";
}

// 576 numbers of latent, or 656 B of them in FP8, and 132 B of an index key.
TEST(SparseAttention, ATokenCachesALatentAndAnIndexKey) {
  const Model v32 = load_model("deepseek-v3.2"), glm52 = load_model("glm-5.2");
  EXPECT_EQ(cache_bytes_per_token(v32, CacheFormat::bf16), Bytes{61 * (1152 + 132)});
  EXPECT_EQ(cache_bytes_per_token(v32, CacheFormat::fp8_mla), Bytes{61 * (656 + 132)});
  EXPECT_EQ(cache_bytes_per_token(glm52, CacheFormat::fp8_mla), Bytes{78 * 656 + 21 * 132});
  EXPECT_EQ(index_bytes_per_layer(glm52, 2), Bytes{132});
  EXPECT_EQ(index_bytes_per_layer(glm52, 3), Bytes{});
}

// Above what is picked attention stands still, and the scores alone grow.
TEST(SparseAttention, DecodingGrowsByTheScoresAlone) {
  const Model m = load_model("deepseek-v3.2");
  EXPECT_EQ(decode_flops(m, 5001).v - decode_flops(m, 5000).v, 61.0 * 2 * 64 * 128);
  const double below = decode_flops(m, 1001).v - decode_flops(m, 1000).v;
  EXPECT_EQ(below, 61.0 * 2 * (64 * 128 + 128 * (576 + 512)));
}

TEST(SparseAttention, PromptsThatFitThePicksAreThoseOfMla) {
  const Model m = load_model("deepseek-v3.2"), v3 = load_model("deepseek-v3");
  const double keys = 61.0 * 2 * (7168 * 128 + 2 * 128);  // index keys and their norms, for the tokens to come
  EXPECT_EQ(prefill_flops(m, 2048).v, prefill_flops(v3, 2048).v + keys);
  EXPECT_GT(prefill_flops(m, 2049).v, prefill_flops(m, 2048).v * 1.1);
}

TEST(SparseAttention, LayersShareByListOrByStep) {
  EXPECT_EQ(sharing(read("deepseek_v32", R"(, "index_topk": 4)")), std::vector<int>{});
  EXPECT_EQ(sharing(read("glm_moe_dsa", R"(, "index_topk": 4, "index_topk_freq": 3, "index_skip_topk_offset": 2)")),
            (std::vector<int>{2, 3, 5}));
  // The first three own theirs, whatever the step.
  EXPECT_EQ(sharing(read("glm_moe_dsa", R"(, "index_topk": 4, "index_topk_freq": 2, "index_skip_topk_offset": 3)")),
            (std::vector<int>{3, 5}));
  const std::string list =
      R"(, "index_topk": 4, "index_topk_freq": 3, "indexer_types": ["full", "full", "shared", "full", "full", "shared"])";
  const Model m = read("glm_moe_dsa", list);
  EXPECT_EQ(sharing(m), (std::vector<int>{2, 5}));
  const TemporaryFolder folder;
  put_file(folder.file("config.json"), hugging_face_json(m, "bfloat16"));
  const Model again = read_hugging_face(folder.file("config.json"));
  EXPECT_EQ(sharing(again), sharing(m));
  EXPECT_EQ(again.attention.indexer->interleaved_rope, true);
}

TEST(SparseAttention, IsScaledToALaptop) {
  for (const char* name : {"deepseek-v3.2", "glm-5.2"}) {
    const Model m = load_model(name), small = scaled(m, laptop_scale(m));
    EXPECT_EQ(small.attention.indexer->top_k, 2048);
    EXPECT_EQ(small.attention.indexer->heads, 4);
    EXPECT_GE(small.attention.indexer->head_dim, small.attention.qk_rope_head_dim);
    EXPECT_EQ(sharing(small), sharing(m));
  }
  Scale s;
  s.index_heads = 2;
  EXPECT_EQ(test::refusal_of([&] { (void)scaled(load_model("deepseek-v3"), s); }),
            "scale.index_heads: the model has no indexer");
}

TEST(RejectSparseAttention, KeysThatContradictEachOther) {
  const std::string picks = R"(, "index_topk": 4)";
  EXPECT_EQ(refusal("deepseek_v32", ""), "missing key \"index_topk\"");
  EXPECT_EQ(refusal("deepseek_v32", R"(, "index_topk": 0)"), "index_topk: must be more than 0, got 0");
  EXPECT_EQ(refusal("deepseek_v32", R"(, "index_topk": 65)"),
            "index_topk: picks more keys than the 64 positions there are, got 65");
  EXPECT_EQ(refusal("glm_moe_dsa", picks + R"(, "indexer_types": ["full"])"),
            "indexer_types: must have one entry for each of the 6 layers, has 1");
  EXPECT_EQ(refusal("glm_moe_dsa", picks + R"(, "indexer_types": ["shared", "full", "full", "full", "full", "full"])"),
            "indexer_types: the first layer must be \"full\", got \"shared\"");
  EXPECT_EQ(refusal("glm_moe_dsa", picks + R"(, "indexer_types": ["full", "none", "full", "full", "full", "full"])"),
            "indexer_types: expected full or shared, got \"none\"");
  EXPECT_EQ(refusal("glm_moe_dsa", picks + R"(, "index_topk_pattern": "FS")"),
            "index_topk_pattern: is not read here; give indexer_types");
  EXPECT_EQ(refusal("glm_moe_dsa", picks + R"(, "mlp_layer_types": ["dense", "dense", "sparse", "sparse", "sparse",
                                                                    "sparse"])"),
            "mlp_layer_types: says \"dense\" of layer 1, first_k_dense_replace 1 says sparse");
}

TEST(RejectSparseAttention, AnIndexerOfAnotherKindOfAttention) {
  const Config yaml = Config::from_text(
      "m:\n  extends: deepseek-v3\n  attention: {indexer: {heads: 2, head_dim: 128, top_k: 4}}\n", "s.yaml");
  EXPECT_EQ(test::refusal_of([&] { (void)read_model(yaml.at("m")); }),
            "s.yaml:3:24: m.attention.indexer: goes with attention of kind DSA or compressed, got MLA");
  const Config narrow = Config::from_text(
      "m:\n  extends: deepseek-v3\n  attention: {kind: DSA, indexer: {heads: 2, head_dim: 32, top_k: 4}}\n", "s.yaml");
  EXPECT_EQ(test::refusal_of([&] { (void)read_model(narrow.at("m")); }),
            "s.yaml:3:56: m.attention.indexer.head_dim: must hold the 64 columns that RoPE turns, got 32");
}
}  // namespace
}  // namespace moesim::spec
