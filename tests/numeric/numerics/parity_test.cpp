// The forward pass against the choices, gate weights and logits that DeepSeek's own inference code gives in FP32.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "formats/npy.h"
#include "numeric/numerics/test_models.h"
#include "numerics/pass/forward.h"
#include "numerics/weights/checkpoint.h"
#include "spec/catalogue.h"
#include "support/places.h"

namespace moesim::numerics::parity {
namespace {
struct IntegerArray {
  std::vector<std::int64_t> shape, values;
};
using Json = nlohmann::json;

Json read_json(const std::string& file) { return Json::parse(std::ifstream(file)); }

/// What one model gives for its reference tokens: choices by layer, then the logits of the last row of each call.
struct Outcome {
  std::map<int, Routing> routing;  // (sequences * tokens, top_k), sequence after sequence
  std::vector<std::vector<float>> logits;
};

Outcome run_reference(const spec::Model& model, Weights& weights, const IntegerArray& tokens,
                      const std::vector<int>& starts, MlaForm form) {
  Outcome out;
  const int sequences = int(tokens.shape[0]), length = int(tokens.shape[1]);
  Forward forward(model, weights, {.threads = 2, .mla = form});
  for (int sequence = 0; sequence < sequences; ++sequence) {
    KvCache cache = forward.new_cache();
    for (std::size_t call = 0; call < starts.size(); ++call) {
      const int begin = starts[call], end = call + 1 < starts.size() ? starts[call + 1] : length;
      const auto first = tokens.values.begin() + sequence * length;
      const std::vector<int> ids(first + begin, first + end);
      const Segment segment{&cache, 0, int(ids.size())};
      const Matrix hidden = forward.run(ids, {&segment, 1}, [&](int layer, const Routing& r) {
        Routing& all = out.routing[layer];
        all.top_k = r.top_k;
        all.experts.insert(all.experts.end(), r.experts.begin(), r.experts.end());
        all.weights.insert(all.weights.end(), r.weights.begin(), r.weights.end());
      });
      const Matrix logits = forward.logits(hidden.view(hidden.rows - 1, 1));
      out.logits.emplace_back(logits.values.begin(), logits.values.end());
    }
  }
  return out;
}

void expect_parity(const std::string& folder, const spec::Model& model) {
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the measurement tables are not here: " << folder;
  const Json expected = read_json(folder + "/expected.json");
  const formats::ArraySource array = formats::npy_array(folder + "/tokens.npy");
  IntegerArray tokens{array.shape, {}};
  array.read_integers(0, array.shape[0], tokens.values);
  Checkpoint weights(model, folder);
  std::vector<Outcome> outcomes;
  for (const MlaForm form : {MlaForm::expanded, MlaForm::absorbed, MlaForm::automatic}) {
    const auto starts = expected["call_starts"].get<std::vector<int>>();
    outcomes.push_back(run_reference(model, weights, tokens, starts, form));
    const Outcome& got = outcomes.back();
    for (const auto& [layer, routing] : got.routing) {
      std::size_t i = 0;
      for (const Json& sequence : expected["gate_idx"][std::to_string(layer)])
        for (const Json& token : sequence)
          for (const Json& id : token) EXPECT_EQ(routing.experts[i++], id.get<int>()) << "layer " << layer;
      i = 0;
      for (const Json& sequence : expected["gate_w"][std::to_string(layer)])
        for (const Json& token : sequence)
          for (const Json& w : token) EXPECT_NEAR(routing.weights[i++], w.get<double>(), 1e-5) << "layer " << layer;
      EXPECT_EQ(i, routing.weights.size());
    }
    EXPECT_EQ(got.routing.size(), expected["moe_layers"].size());
    std::size_t row = 0;
    for (const Json& sequence : expected["logits_last"])
      for (const Json& call : sequence) {
        for (std::size_t v = 0; v < call.size(); ++v) EXPECT_NEAR(got.logits[row][v], call[v].get<double>(), 1e-4);
        ++row;
      }
    EXPECT_EQ(row, got.logits.size());
  }
  for (std::size_t row = 0; row < outcomes[0].logits.size(); ++row)
    for (std::size_t v = 0; v < outcomes[0].logits[row].size(); ++v)
      EXPECT_NEAR(outcomes[0].logits[row][v], outcomes[1].logits[row][v], 2e-5) << "the two forms of MLA";
}

const std::string kReference = test::source_dir() + "/../shared/data/numerics/";

TEST(Parity, DeepSeekV2LiteShape) { expect_parity(kReference + "v2lite_tiny", v2lite_tiny()); }
TEST(Parity, DeepSeekV3Shape) { expect_parity(kReference + "v3_micro", v3_micro()); }

/// The same of a folder whose model is what its config.json says.
void expect_parity(const std::string& name) {
  const std::string folder = kReference + name;
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the measurement tables are not here: " << folder;
  expect_parity(folder, spec::load_model(folder));
}
TEST(Parity, OlmoeNormsQueriesAndKeysOverAllHeads) { expect_parity("olmoe_tiny"); }
TEST(Parity, Qwen2MoeGatesItsSharedExpert) { expect_parity("qwen2_moe_tiny"); }
TEST(Parity, MiniMaxM2TurnsPartOfAHeadAndChoosesByBiasedSigmoids) { expect_parity("minimax_m2_tiny"); }
TEST(Parity, Qwen3NextKeepsStates) { expect_parity("qwen3_next_tiny"); }
TEST(Parity, Qwen35KeepsStates) { expect_parity("qwen3_5_moe_tiny"); }
TEST(Parity, NemotronHIsMadeOfHalves) { expect_parity("nemotron_h_tiny"); }
}  // namespace
}  // namespace moesim::numerics::parity
