// DeepSeek-V4's forward pass against what DeepSeek's own inference code computes in FP32 for a tiny model: experts in
// order, gate weights, logits, and the entries that indexers pick.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "formats/npy.h"
#include "numerics/compressed/compressed_pass.h"
#include "support/places.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::numerics {
namespace {
using Json = nlohmann::json;
using Choices = std::vector<std::vector<int>>;
const std::string kFolder = test::source_dir() + "/../shared/data/numerics/deepseek_v4_tiny";

struct Outcome {
  std::map<int, Choices> experts, picks;  // by layer, a row a token
  std::map<int, std::vector<float>> weights;
  std::vector<std::vector<float>> logits;  // of the last row of each call
};

Outcome run(CompressedForward& forward, std::span<const int> ids, const std::vector<int>& starts) {
  Outcome out;
  const CompressedObserver observe{[&](int layer, const Routing& r) {
                                     for (int t = 0; t < r.tokens; ++t) {
                                       const auto first = r.experts.begin() + std::int64_t(t) * r.top_k;
                                       out.experts[layer].emplace_back(first, first + r.top_k);
                                     }
                                     out.weights[layer].insert(out.weights[layer].end(), r.weights.begin(),
                                                               r.weights.end());
                                   },
                                   [&](int layer, const Choices& picks) {
                                     out.picks[layer].insert(out.picks[layer].end(), picks.begin(), picks.end());
                                   }};
  CompressedCache cache = forward.new_cache();
  for (std::size_t call = 0; call < starts.size(); ++call) {
    const int begin = starts[call], end = call + 1 < starts.size() ? starts[call + 1] : int(ids.size());
    const Matrix hidden = forward.run(ids.subspan(std::size_t(begin), std::size_t(end - begin)), cache, observe);
    const Matrix logits = forward.logits(hidden.view(hidden.rows - 1, 1));
    out.logits.emplace_back(logits.values.begin(), logits.values.end());
  }
  return out;
}

TEST(CompressedParity, ChoicesWeightsLogitsAndPicksAreThePublishersOwn) {
  if (!std::filesystem::exists(kFolder)) GTEST_SKIP() << "the measurement tables are not here: " << kFolder;
  const CompressedShape shape = read_compressed(kFolder + "/config.json");
  const CompressedTensors tensors(shape, kFolder);
  CompressedForward forward(shape, tensors, 2);
  const Json expected = Json::parse(std::ifstream(kFolder + "/expected.json"));
  const formats::ArraySource array = formats::npy_array(kFolder + "/tokens.npy");
  std::vector<std::int64_t> tokens;
  array.read_integers(0, array.shape[0], tokens);
  const auto length = std::size_t(array.shape[1]);
  for (std::size_t s = 0; s < std::size_t(array.shape[0]); ++s) {
    const std::vector<int> ids(tokens.begin() + std::int64_t(s * length),
                               tokens.begin() + std::int64_t((s + 1) * length));
    const Outcome steps = run(forward, ids, expected["call_starts"].get<std::vector<int>>());
    for (const Outcome& got : {steps, run(forward, ids, {0}), run(forward, ids, {0, 3, 17, 30})}) {
      ASSERT_EQ(got.experts.size(), expected["moe_layers"].size());
      for (const auto& [layer, rows] : got.experts) {
        EXPECT_EQ(rows, expected["gate_idx"][std::to_string(layer)][s].get<Choices>()) << "layer " << layer;
        std::size_t i = 0;
        for (const Json& token : expected["gate_w"][std::to_string(layer)][s])
          for (const Json& w : token) EXPECT_NEAR(got.weights.at(layer)[i++], w.get<double>(), 1e-4);
      }
      ASSERT_EQ(got.picks.size(), expected["index_topk"].size());
      for (const auto& [layer, rows] : got.picks)
        EXPECT_EQ(rows, expected["index_topk"][std::to_string(layer)][s].get<Choices>()) << "picks of layer " << layer;
    }
    const Json& logits = expected["logits_last"][s];
    ASSERT_EQ(steps.logits.size(), logits.size());
    for (std::size_t call = 0; call < logits.size(); ++call)
      for (std::size_t v = 0; v < logits[call].size(); ++v)
        ASSERT_NEAR(steps.logits[call][v], logits[call][v].get<double>(), 1e-3) << "call " << call;
  }
}

TEST(CompressedParity, PositionsBeyondTheConfigurationAreRefused) {
  if (!std::filesystem::exists(kFolder)) GTEST_SKIP() << "the measurement tables are not here: " << kFolder;
  const CompressedShape shape = read_compressed(kFolder + "/config.json");
  const CompressedTensors tensors(shape, kFolder);
  CompressedForward forward(shape, tensors, 1);
  CompressedCache cache = forward.new_cache();
  const std::vector<int> ids(65, 1);
  EXPECT_EQ(test::refusal_of([&] { (void)forward.run(ids, cache); }),
            "65 tokens are beyond the 64 positions of deepseek_v4_tiny");
}

std::string refusal(const std::string& change) {
  const TemporaryFolder folder;
  Json config = Json::parse(R"({"model_type": "deepseek_v4", "vocab_size": 8, "hidden_size": 8, "num_hidden_layers": 2,
    "num_attention_heads": 4, "head_dim": 8, "qk_rope_head_dim": 4, "q_lora_rank": 4, "o_groups": 2, "o_lora_rank": 2,
    "sliding_window": 4, "index_n_heads": 2, "index_head_dim": 8, "index_topk": 2, "compress_ratios": [0, 4],
    "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 4, "hc_mult": 4, "hc_sinkhorn_iters": 3,
    "scoring_func": "sqrtsoftplus", "topk_method": "noaux_tc"})");
  config.merge_patch(Json::parse(change));
  put_file(folder.file("config.json"), config.dump());
  const std::string text = test::refusal_of([&] { (void)read_compressed(folder.file("config.json")); });
  const std::size_t at = text.find("config.json: ");
  return at == std::string::npos ? text : text.substr(at + 13);
}

TEST(RejectCompressed, KeysThatContradictEachOther) {
  EXPECT_EQ(refusal("{}"), "accepted");
  EXPECT_EQ(refusal(R"({"model_type": "deepseek_v3"})"), "model_type: expected deepseek_v4, got \"deepseek_v3\"");
  EXPECT_EQ(refusal(R"({"o_groups": 3})"), "o_groups: must divide the 4 heads, got 3");
  EXPECT_EQ(refusal(R"({"qk_rope_head_dim": 16})"), "qk_rope_head_dim: must be even and at most 8, got 16");
  EXPECT_EQ(refusal(R"({"compress_ratios": [4]})"),
            "compress_ratios: must have one entry for each of the 2 layers, has 1");
  EXPECT_EQ(refusal(R"({"num_experts_per_tok": 5})"), "num_experts_per_tok: must be 1 to the 4 experts, got 5");
  EXPECT_EQ(refusal(R"({"scoring_func": "sigmoid"})"), "scoring_func: expected sqrtsoftplus, got \"sigmoid\"");
}
}  // namespace
}  // namespace moesim::numerics
