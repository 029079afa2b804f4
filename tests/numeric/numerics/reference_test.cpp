// Every architecture against an independent NumPy forward pass (reference/reference.py, in double precision): same
// experts, weights within 1e-5, logits within 1e-4, in one prefill and in single steps from a cache.
#include <gtest/gtest.h>

#include <bit>
#include <fstream>
#include <nlohmann/json.hpp>

#include "numerics/pass/forward.h"
#include "numerics/weights/checkpoint.h"
#include "spec/catalogue.h"
#include "support/places.h"
#include "support/safetensors.h"
#include "support/temporary_folder.h"

namespace moesim::numerics::references {
namespace {
using Json = nlohmann::json;

std::uint32_t crc32(const std::string& text) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char c : text) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320U : 0U);
  }
  return ~crc;
}

/// The same values as weight() of reference.py.
std::vector<float> values_of(const std::string& name, std::int64_t count) {
  const std::uint32_t key = crc32(name);
  std::vector<float> out(static_cast<std::size_t>(count));
  for (std::uint32_t i = 0; i < std::uint32_t(count); ++i) {
    std::uint32_t bits = (i * 2654435761U + key) * 2246822519U;
    bits = (bits ^ (bits >> 15)) * 3266489917U;
    const float value = (float(bits >> 24) - 128) / 256;
    out[i] = name.find("norm") == std::string::npos ? value : 1 + value / 4;
  }
  return out;
}

/// A checkpoint folder of all the model's tensors, every other one as BF16 where that is exact.
class Folder {
 public:
  explicit Folder(const spec::Model& model) : model_(model) {
    add(outer_parts(model), -1, -1);
    for (int layer = 0; layer < model.layers + model.mtp_layers; ++layer) {
      add(layer_parts(model, layer), layer, -1);
      for (int e = 0; spec::has_experts(model, layer) && e < model.moe->experts; ++e)
        add(expert_parts(model), layer, e);
    }
    test::write_safetensors(folder_.file("model.safetensors"), tensors_);
  }
  std::string path() const { return folder_.path().string(); }

 private:
  void add(const std::vector<PartShape>& parts, int layer, int expert) {
    for (const PartShape& p : parts) {
      const StoredPlace place = stored_place(model_, p, layer, expert);
      if (tensors_.contains(place.name)) continue;
      std::int64_t count = 1;
      for (const std::int64_t n : place.shape) count *= n;
      std::vector<float>& values = floats_[place.name] = values_of(place.name, count);
      if (tensors_.size() % 2 == 0 || place.name.find("norm") != std::string::npos) {
        tensors_[place.name] = {formats::StoredType::f32, place.shape, std::as_bytes(std::span(values))};
      } else {
        std::vector<std::uint16_t>& halves = halves_[place.name];
        for (const float v : values) halves.push_back(std::uint16_t(std::bit_cast<std::uint32_t>(v) >> 16));
        tensors_[place.name] = {formats::StoredType::bf16, place.shape, std::as_bytes(std::span(halves))};
      }
    }
  }
  TemporaryFolder folder_;
  const spec::Model& model_;
  std::map<std::string, std::vector<float>> floats_;
  std::map<std::string, std::vector<std::uint16_t>> halves_;
  std::map<std::string, formats::StoredTensor> tensors_;
};

class Architecture : public testing::TestWithParam<const char*> {};

/// Routing of the rows of a pass, which begins at row `first` of the expected ones.
void expect_routing(const spec::Model& model, const Routing& r, const Json& expected, int layer, int first) {
  const Json& want = expected["layers"][std::to_string(layer)];
  for (std::size_t i = 0; i < r.experts.size(); ++i) {
    const std::size_t token = std::size_t(first) + i / std::size_t(r.top_k), k = i % std::size_t(r.top_k);
    EXPECT_EQ(r.experts[i], want["experts"][token][k].get<int>()) << "layer " << layer;
    EXPECT_NEAR(r.weights[i], want["weights"][token][k].get<double>(), 1e-5 * std::max(1.0, model.moe->scale))
        << "layer " << layer;
  }
}

void expect_logits(const Matrix& logits, const Json& want, int first) {
  for (int r = 0; r < logits.rows; ++r)
    for (int v = 0; v < logits.columns; ++v)
      ASSERT_NEAR(logits.row(r)[v], want[std::size_t(first + r)][std::size_t(v)].get<double>(), 1e-4)
          << "token " << first + r;
}

void expect_like_reference(const spec::Model& model, Weights& weights, const Json& expected,
                           const std::vector<int>& calls, MlaForm form) {
  Forward forward(model, weights, {.threads = 2, .mla = form});
  const auto tokens = expected["tokens"].get<std::vector<int>>();
  KvCache cache = forward.new_cache();
  int row = 0;
  for (const int count : calls) {
    const Segment segment{&cache, 0, count};
    std::size_t layers = 0;
    const Matrix hidden = forward.run(std::span(tokens).subspan(std::size_t(row), std::size_t(count)), {&segment, 1},
                                      [&](int layer, const Routing& r) {
                                        ++layers;
                                        expect_routing(model, r, expected, layer, row);
                                      });
    EXPECT_EQ(layers, expected["layers"].size());
    expect_logits(forward.logits(hidden.view()), expected["logits"], row);
    row += count;
  }
  EXPECT_EQ(row, int(tokens.size()));
}

const std::string kReference = test::source_dir() + "/tests/numeric/numerics/reference/";

TEST_P(Architecture, AgreesWithNumPy) {
  const std::string folder = kReference + GetParam();
  const spec::Model model = spec::load_model(folder);
  const Json expected = Json::parse(std::ifstream(folder + "/expected.json"));
  const Folder files(model);
  Checkpoint weights(model, files.path());
  expect_like_reference(model, weights, expected, {12}, MlaForm::expanded);
  expect_like_reference(model, weights, expected, {7, 1, 1, 1, 1, 1}, MlaForm::automatic);
  expect_like_reference(model, weights, expected, {5, 4, 3}, MlaForm::absorbed);
}

INSTANTIATE_TEST_SUITE_P(All, Architecture,
                         testing::Values("llama", "mistral", "qwen2", "mixtral", "qwen3_moe", "deepseek", "deepseek_v2",
                                         "deepseek_v3", "gemma3", "gpt_oss", "glm4_moe", "llama4", "llama4_scout"),
                         [](const auto& model) { return model.param; });

/// Two MTP modules in a chain over the whole text, whose caches grow in passes of `count` tokens.
void expect_mtp_like_reference(const spec::Model& model, Weights& weights, const Json& expected, int count,
                               MlaForm form) {
  Forward forward(model, weights, {.threads = 2, .mla = form});
  const auto tokens = expected["tokens"].get<std::vector<int>>();
  const int n = int(tokens.size());
  KvCache cache = forward.new_cache();
  const Segment all{&cache, 0, n};
  Matrix before = forward.run(tokens, {&all, 1});
  for (int depth = 0; depth < model.mtp_layers; ++depth) {
    const int rows = n - depth - 1;
    Matrix hidden(rows, model.hidden);
    int observed = 0;
    for (int first = 0; first < rows; first += count) {
      const int now = std::min(count, rows - first);
      const Segment segment{&cache, 0, now};
      const Matrix out = forward.run_mtp(depth, {before.row(first), now, before.columns, before.columns},
                                         std::span(tokens).subspan(std::size_t(first + depth + 1), std::size_t(now)),
                                         {&segment, 1}, [&](int layer, const Routing& r) {
                                           EXPECT_EQ(layer, model.layers + depth);
                                           expect_routing(model, r, expected, layer, first);
                                           observed += now;
                                         });
      expect_logits(forward.mtp_logits(depth, out.view()), expected["mtp_logits"][std::size_t(depth)], first);
      std::copy(out.values.begin(), out.values.end(), hidden.row(first));
    }
    EXPECT_EQ(observed, rows);
    before = std::move(hidden);
  }
}

TEST(MtpModules, AgreeWithNumPy) {
  const spec::Model model = spec::load_model(kReference + "mtp");
  ASSERT_EQ(model.mtp_layers, 2);
  const Json expected = Json::parse(std::ifstream(kReference + "mtp/expected.json"));
  ASSERT_EQ(expected["mtp_logits"].size(), 2U);
  const Folder files(model);
  Checkpoint weights(model, files.path());
  expect_mtp_like_reference(model, weights, expected, 12, MlaForm::expanded);
  expect_mtp_like_reference(model, weights, expected, 1, MlaForm::automatic);
  expect_mtp_like_reference(model, weights, expected, 4, MlaForm::absorbed);
}
}  // namespace
}  // namespace moesim::numerics::references
