// The measurement fixtures: one small routing in several real formats, against its plain form.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "routing/importers/import.h"
#include "support/places.h"

namespace moesim::routing {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::json;

const std::string kFolder = test::source_dir() + "/../shared/data/importer_fixtures/";

class Fixtures : public ::testing::Test {
 protected:
  Json truth;
  std::string out = ::testing::TempDir() + "fixture.db";

  void SetUp() override {
    if (!fs::exists(kFolder + "ground_truth.json")) GTEST_SKIP() << "the measurement fixtures are not here";
    truth = Json::parse(std::ifstream(kFolder + "ground_truth.json"));
    fs::remove(out);
  }
  void TearDown() override { fs::remove(out); }

  Trace import(const std::vector<std::string>& names, ImportOptions options = {}) const {
    std::vector<std::string> files;
    for (const std::string& n : names) files.push_back(kFolder + n);
    options.output = out;
    import_trace(files, options);
    return Trace(out);
  }
  std::vector<int> wanted(int sequence, int position, int layer) const {
    return truth["expert_ids"][std::size_t(sequence)][std::size_t(position)][std::size_t(layer)]
        .get<std::vector<int>>();
  }
  static std::vector<int> choice(const Trace& t, int layer, std::int64_t token) {
    std::vector<std::int16_t> ids;
    t.read_experts(t.ordinal(layer), token, 1, ids);
    return {ids.begin(), ids.end()};
  }
  /// Every token by its sequence and position; returns how many there were.
  void expect_all(const Trace& t, bool tokens_known_in_prompt) const {
    EXPECT_EQ(t.tokens(), 60);
    EXPECT_EQ(t.header().layers, (std::vector<int>{1, 2, 3}));
    EXPECT_EQ(t.header().experts, 16);
    EXPECT_EQ(t.header().top_k, 4);
    std::vector<TraceToken> tokens;
    t.read_tokens(0, t.tokens(), tokens);
    std::map<std::pair<int, int>, int> seen;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const TraceToken& token = tokens[i];
      ++seen[{token.request, token.position}];
      for (const int layer : {1, 2, 3})
        ASSERT_EQ(choice(t, layer, std::int64_t(i)), wanted(token.request, token.position, layer));
      if (token.position >= 24 || tokens_known_in_prompt) {
        ASSERT_EQ(token.token, truth["tokens"][std::size_t(token.request)][std::size_t(token.position)].get<int>());
      } else {
        ASSERT_EQ(token.token, -1);
      }
      if (!t.header().phases) continue;
      ASSERT_EQ(token.phase, token.position < 24 ? TracePhase::prefill : TracePhase::decode);
    }
    EXPECT_EQ(seen.size(), 60u);
  }
  void expect_loads(const Trace& t, const std::vector<int>& layers) const {
    std::vector<std::int64_t> load(16);
    for (const int layer : layers) {
      t.load(t.ordinal(layer), 0, t.tokens(), load);
      EXPECT_EQ(load, truth["counts_total"][std::size_t(layer)].get<std::vector<std::int64_t>>()) << "layer " << layer;
    }
  }
};

TEST_F(Fixtures, SglangReplies) {
  ImportOptions options;
  options.top_k = 4;  // which the replies do not say
  expect_all(import({"sglang_generate.json"}, options), false);
}
TEST_F(Fixtures, VllmReplies) { expect_all(import({"vllm_b64npy_uint8.json"}), true); }
TEST_F(Fixtures, SglangPerTokenOfTwoRanks) {
  expect_all(import({"sglang_per_token_0.pt", "sglang_per_token_1.pt"}), true);
}

TEST_F(Fixtures, SglangStat) {
  for (const int k : {0, 4}) {
    fs::remove(out);
    ImportOptions options;
    options.top_k = k;
    const Trace t = import({"sglang_stat.pt"}, options);
    expect_loads(t, {1, 2, 3});
    EXPECT_TRUE(t.header().sampled);
    EXPECT_EQ(t.tokens(), k == 4 ? 60 : 240);
    EXPECT_EQ(t.passes(), 7);
  }
}

TEST_F(Fixtures, TokenLayerLines) {
  const Trace t = import({"jsonl_token_layer.jsonl"});
  EXPECT_FALSE(t.header().phases);
  EXPECT_EQ(t.tokens(), 60);
  std::vector<TraceToken> tokens;
  std::vector<float> weights;
  t.read_tokens(0, 60, tokens);
  for (std::size_t i = 0; i < 60; ++i)
    for (const int layer : {1, 2, 3}) {
      ASSERT_EQ(choice(t, layer, std::int64_t(i)), wanted(tokens[i].request, tokens[i].position, layer));
      t.read_weights(t.ordinal(layer), std::int64_t(i), 1, weights);
      for (std::size_t j = 0; j < 4; ++j)
        ASSERT_NEAR(weights[j],
                    truth["gate_weights"][std::size_t(tokens[i].request)][std::size_t(tokens[i].position)]
                         [std::size_t(layer)][j]
                             .get<double>(),
                    1e-6);
    }
}

TEST_F(Fixtures, MegatronStepsInOrder) {
  const Trace t = import({"megatron_router_trace_rank0.jsonl"});
  EXPECT_EQ(t.passes(), 7);
  ASSERT_EQ(t.tokens(), 60);
  for (std::int64_t i = 0; i < 60; ++i) {
    // 48 prompt tokens, one sequence after the other, then one token of each a step.
    const int sequence = int(i < 48 ? i / 24 : i % 2), position = int(i < 48 ? i % 24 : 24 + (i - 48) / 2);
    for (const int layer : {1, 2, 3}) ASSERT_EQ(choice(t, layer, i), wanted(sequence, position, layer));
  }
}

TEST_F(Fixtures, ExflowArrayInFortranOrder) {
  const Trace t = import({"exflow_top1.npy"});
  ASSERT_EQ(t.tokens(), 60);
  EXPECT_EQ(t.header().top_k, 1);
  EXPECT_EQ(t.header().layers, (std::vector<int>{0, 1, 2}));
  for (int i = 0; i < 60; ++i)
    for (int m = 0; m < 3; ++m) ASSERT_EQ(choice(t, m, i)[0], wanted(i / 30, i % 30, m + 1)[0]);
}

// The recording's selection bias is not in the logits, so that not every choice can be found again; what the logits say
// is: the gate's choice among them.
TEST_F(Fixtures, RouterLogitsByTheModelsGate) {
  const std::string model = ::testing::TempDir() + "model.json";
  std::ofstream(model)
      << R"({"architectures":["DeepseekV3ForCausalLM"],"model_type":"deepseek_v3","vocab_size":512,"hidden_size":64,
    "num_hidden_layers":4,"intermediate_size":128,"num_attention_heads":4,"num_key_value_heads":4,"q_lora_rank":32,"kv_lora_rank":16,
    "qk_nope_head_dim":16,"qk_rope_head_dim":8,"v_head_dim":16,"moe_intermediate_size":32,"n_routed_experts":16,"n_shared_experts":1,
    "num_experts_per_tok":4,"first_k_dense_replace":1,"moe_layer_freq":1,"n_group":4,"topk_group":2,"scoring_func":"sigmoid",
    "topk_method":"noaux_tc","norm_topk_prob":true,"routed_scaling_factor":2.5,"max_position_embeddings":4096,"rms_norm_eps":1e-6,
    "rope_theta":10000,"tie_word_embeddings":false})";
  ImportOptions options;
  options.model = model;
  const Trace t = import({"hf_router_logits.npz"}, options);
  ASSERT_EQ(t.tokens(), 60);
  EXPECT_EQ(t.header().layers, (std::vector<int>{1, 2, 3}));
  std::vector<TraceToken> tokens;
  t.read_tokens(0, 60, tokens);
  int same = 0;
  for (int i = 0; i < 60; ++i) {
    ASSERT_EQ(tokens[std::size_t(i)].token, truth["tokens"][std::size_t(i / 30)][std::size_t(i % 30)].get<int>());
    for (const int layer : {1, 2, 3}) {
      std::vector<int> got = choice(t, layer, i), want = wanted(i / 30, i % 30, layer);
      std::sort(got.begin(), got.end());
      std::sort(want.begin(), want.end());
      same += got == want;
    }
  }
  EXPECT_GT(same, 110);  // of 180; without the groups it would be 18
}

TEST_F(Fixtures, PublishedExpertLoadsKeepTheirShares) {
  const std::string file = test::source_dir() + "/../shared/data/expert_load/deepseek_v3_prefill_in1024.json";
  if (!fs::exists(file)) GTEST_SKIP() << "the measurement tables are not here";
  ImportOptions options;
  options.output = out;
  options.top_k = 8;
  options.tokens = 20'000;
  EXPECT_EQ(import_trace({file}, options), "loads");
  const Trace t(out);
  EXPECT_EQ(t.tokens(), 20'000);
  EXPECT_EQ(t.header().layers.size(), 58u);
  EXPECT_EQ(t.header().layers.front(), 3);
  const Json counts = Json::parse(std::ifstream(file))["logical_count"];
  std::vector<std::int64_t> load(256);
  for (const int layer : {3, 30, 60}) {
    t.load(t.ordinal(layer), 0, t.tokens(), load);
    double sum = 0;
    for (const Json& n : counts[std::size_t(layer)]) sum += n.get<double>();
    for (std::size_t e = 0; e < 256; ++e)
      ASSERT_NEAR(double(load[e]), counts[std::size_t(layer)][e].get<double>() / sum * 160'000, 1.01);
  }
}
}  // namespace
}  // namespace moesim::routing
