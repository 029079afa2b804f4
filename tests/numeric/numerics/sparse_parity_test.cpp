// DSA's forward pass against what DeepSeek's own inference code computes in FP32 for tiny DeepSeek-V3.2, GLM-5 and
// GLM-5.2: experts in order, gate weights, logits, and the keys that every indexer picks.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "formats/npy.h"
#include "numerics/pass/forward.h"
#include "numerics/weights/checkpoint.h"
#include "spec/catalogue.h"
#include "spec/hugging_face.h"
#include "support/places.h"

namespace moesim::numerics::sparse_parity {
namespace {
using Json = nlohmann::json;
const std::string kReference = test::source_dir() + "/../shared/data/numerics/";

struct Tokens {
  int sequences = 0, length = 0;
  std::vector<std::int64_t> ids;
};
Tokens tokens_of(const std::string& folder) {
  const formats::ArraySource array = formats::npy_array(folder + "/tokens.npy");
  Tokens out{int(array.shape[0]), int(array.shape[1]), {}};
  array.read_integers(0, array.shape[0], out.ids);
  return out;
}

/// Everything that one sequence gave, a row a position.
struct Outcome {
  std::map<int, std::vector<std::vector<int>>> experts, picks;  // by layer
  std::map<int, std::vector<float>> weights;
  std::vector<std::vector<float>> logits;  // of the last row of each call
};

Outcome run(const spec::Model& model, Weights& weights, std::span<const int> ids, const std::vector<int>& starts,
            MlaForm form) {
  Outcome out;
  Forward forward(model, weights,
                  {.threads = 2, .mla = form, .picks = [&](int layer, std::span<const Segment> segments) {
                     const IndexPicks& picks = segments.front().cache->picks;
                     for (int r = 0; r < picks.rows(); ++r)
                       out.picks[layer].emplace_back(picks.row(r).begin(), picks.row(r).end());
                   }});
  KvCache cache = forward.new_cache();
  for (std::size_t call = 0; call < starts.size(); ++call) {
    const int begin = starts[call], end = call + 1 < starts.size() ? starts[call + 1] : int(ids.size());
    const Segment segment{&cache, 0, end - begin};
    const Matrix hidden = forward.run(
        ids.subspan(std::size_t(begin), std::size_t(end - begin)), {&segment, 1}, [&](int layer, const Routing& r) {
          for (int t = 0; t < r.tokens; ++t) {
            const auto first = r.experts.begin() + std::int64_t(t) * r.top_k;
            out.experts[layer].emplace_back(first, first + r.top_k);
          }
          out.weights[layer].insert(out.weights[layer].end(), r.weights.begin(), r.weights.end());
        });
    const Matrix logits = forward.logits(hidden.view(hidden.rows - 1, 1));
    out.logits.emplace_back(logits.values.begin(), logits.values.end());
  }
  return out;
}

void expect_outcome(const Outcome& got, const Json& expected, std::size_t sequence) {
  ASSERT_EQ(got.experts.size(), expected["moe_layers"].size());
  for (const auto& [layer, rows] : got.experts) {
    EXPECT_EQ(rows, expected["gate_idx"][std::to_string(layer)][sequence].get<std::vector<std::vector<int>>>())
        << "layer " << layer;
    std::size_t i = 0;
    for (const Json& token : expected["gate_w"][std::to_string(layer)][sequence])
      for (const Json& w : token) EXPECT_NEAR(got.weights.at(layer)[i++], w.get<double>(), 1e-4) << "layer " << layer;
    EXPECT_EQ(i, got.weights.at(layer).size());
  }
  ASSERT_EQ(got.picks.size(), expected["index_topk"].size());
  for (const auto& [layer, rows] : got.picks)
    EXPECT_EQ(rows, expected["index_topk"][std::to_string(layer)][sequence].get<std::vector<std::vector<int>>>())
        << "picks of layer " << layer;
  const Json& logits = expected["logits_last"][sequence];
  ASSERT_EQ(got.logits.size(), logits.size());
  for (std::size_t call = 0; call < logits.size(); ++call)
    for (std::size_t v = 0; v < logits[call].size(); ++v)
      ASSERT_NEAR(got.logits[call][v], logits[call][v].get<double>(), 1e-3) << "call " << call;
}

class SparseParity : public testing::TestWithParam<const char*> {};

TEST_P(SparseParity, ChoicesWeightsLogitsAndPicksAreThePublishersOwn) {
  const std::string folder = kReference + GetParam();
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the measurement tables are not here: " << folder;
  const spec::Model model = spec::load_model(folder + "/config.json");
  const Json expected = Json::parse(std::ifstream(folder + "/expected.json"));
  const Tokens tokens = tokens_of(folder);
  Checkpoint weights(model, folder);
  const auto steps = expected["call_starts"].get<std::vector<int>>();
  for (const MlaForm form : {MlaForm::automatic, MlaForm::expanded, MlaForm::absorbed})
    for (int s = 0; s < tokens.sequences; ++s) {
      const auto first = tokens.ids.begin() + std::int64_t(s) * tokens.length;
      const std::vector<int> ids(first, first + tokens.length);
      expect_outcome(run(model, weights, ids, steps, form), expected, std::size_t(s));
      // One call over all tokens, and pieces of prompts, choose the same.
      for (const std::vector<int>& starts : {std::vector<int>{0}, {0, 5, 19}}) {
        const Outcome other = run(model, weights, ids, starts, form);
        for (const auto& [layer, rows] : other.experts)
          EXPECT_EQ(rows,
                    expected["gate_idx"][std::to_string(layer)][std::size_t(s)].get<std::vector<std::vector<int>>>());
        for (const auto& [layer, rows] : other.picks)
          EXPECT_EQ(rows,
                    expected["index_topk"][std::to_string(layer)][std::size_t(s)].get<std::vector<std::vector<int>>>());
      }
    }
}
INSTANTIATE_TEST_SUITE_P(All, SparseParity, testing::Values("deepseek_v32_tiny", "glm5_tiny", "glm52_tiny"),
                         [](const auto& name) { return std::string(name.param); });
}  // namespace
}  // namespace moesim::numerics::sparse_parity
