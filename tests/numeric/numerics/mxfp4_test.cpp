// MXFP4 experts against an independent decode (reference/mxfp4.py): the same values, exactly.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "numerics/weights/checkpoint.h"
#include "support/places.h"
#include "support/safetensors.h"
#include "support/temporary_folder.h"

namespace moesim::numerics {
namespace {
spec::Model tiny() {
  spec::Model m;
  m.name = "tiny", m.architecture = spec::Architecture::gpt_oss;
  m.vocabulary = 8, m.hidden = 64, m.layers = 1, m.swiglu_limit = 7;
  m.attention.heads = m.attention.kv_heads = 1, m.attention.head_dim = m.attention.v_head_dim = 4;
  spec::MoeShape moe;
  moe.experts = 2, moe.top_k = 1, moe.expert_width = 32, moe.selection = spec::Selection::topk_softmax;
  moe.router_linear_bias = moe.expert_bias = true;
  m.moe = moe;
  return m;
}

class Mxfp4 : public testing::Test {
 protected:
  Mxfp4() {
    const auto put = [this](const std::vector<PartShape>& parts, int layer, int expert) {
      for (const PartShape& p : parts) {
        const StoredPlace place = stored_place(model_, p, layer, expert);
        if (place.name.ends_with("_proj"))
          pack(place);
        else
          add(place.name, formats::StoredType::f32, place.shape, 4);
      }
    };
    put(outer_parts(model_), -1, -1);
    put(layer_parts(model_, 0), 0, -1);
    put(expert_parts(model_), 0, 0);
  }
  std::vector<std::byte>& add(const std::string& name, formats::StoredType type, const std::vector<std::int64_t>& shape,
                              std::int64_t element) {
    for (const std::int64_t n : shape) element *= n;
    bytes_[name].resize(std::size_t(element));
    tensors_[name] = {type, shape, bytes_[name]};
    return bytes_[name];
  }
  void pack(const StoredPlace& place) {
    const std::int64_t experts = place.shape[0], inputs = place.shape[1], outputs = place.shape[2];
    auto& blocks = add(place.name + "_blocks", formats::StoredType::u8, {experts, outputs, inputs / 32, 16}, 1);
    for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i] = std::byte((37 * i + 11 * i * i + 5) & 255U);
    auto& scales = add(place.name + "_scales", formats::StoredType::u8, {experts, outputs, inputs / 32}, 1);
    for (std::size_t i = 0; i < scales.size(); ++i) scales[i] = std::byte(121 + i % 9);
  }
  std::string write() const {
    test::write_safetensors(folder_.file("model.safetensors"), tensors_);
    return folder_.path().string();
  }
  std::string error() const {
    try {
      const Checkpoint checkpoint(model_, write());
      return "";
    } catch (const ConfigError& e) {
      return e.what();
    }
  }

  TemporaryFolder folder_;
  spec::Model model_ = tiny();
  std::map<std::string, std::vector<std::byte>> bytes_;
  std::map<std::string, formats::StoredTensor> tensors_;
};

TEST_F(Mxfp4, ExpertsReadAsTheReferenceDecodesThem) {
  const auto expected =
      nlohmann::json::parse(std::ifstream(test::source_dir() + "/tests/numeric/numerics/reference/mxfp4.json"));
  Checkpoint checkpoint(model_, write());
  WeightScratch scratch;
  for (const auto& [part, name, rows, columns] : {std::tuple{Part::expert_gate, "gate", 32, 64},
                                                  {Part::expert_up, "up", 32, 64},
                                                  {Part::expert_down, "down", 64, 32}}) {
    const float* values = checkpoint.get({part, rows, columns}, 0, 1, scratch);
    for (int r = 0; r < rows; ++r)
      for (int c = 0; c < columns; ++c)
        ASSERT_EQ(*values++, expected[name][std::size_t(r)][std::size_t(c)].get<float>())
            << name << " " << r << " " << c;
  }
}

TEST_F(Mxfp4, WrongTensorsAreNamed) {
  const std::string name = "model.layers.0.mlp.experts.down_proj", file = folder_.file("model.safetensors");
  add(name + "_scales", formats::StoredType::u8, {2, 64, 2}, 1);
  EXPECT_EQ(error(), file + ": tensor " + name +
                         "_scales: expected U8 [2, 64, 1] by the model's configuration, got U8 [2, 64, 2]");
  tensors_.erase(name + "_scales");
  EXPECT_EQ(error(), file + ": tensor " + name + "_blocks: is MXFP4, but " + name + "_scales is missing");
  add(name + "_scales", formats::StoredType::u8, {2, 64, 1}, 1)[0] = std::byte{255};
  Checkpoint checkpoint(model_, write());
  WeightScratch scratch;
  EXPECT_THROW(checkpoint.get({Part::expert_down, 64, 32}, 0, 0, scratch), ConfigError);
}
}  // namespace
}  // namespace moesim::numerics
