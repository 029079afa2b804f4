#include "numerics/weights/checkpoint.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "formats/number_formats.h"
#include "numeric/numerics/test_models.h"
#include "support/safetensors.h"
#include "support/temporary_folder.h"

namespace moesim::numerics {
namespace {

/// All tensors of a tiny DeepSeek-V3 in memory, to be damaged one at a time and written out.
class CheckpointFiles : public testing::Test {
 protected:
  CheckpointFiles() : model_(v3_micro()) {
    add(outer_parts(model_), -1, -1);
    for (int layer = 0; layer < model_.layers; ++layer) {
      add(layer_parts(model_, layer), layer, -1);
      for (int e = 0; spec::has_experts(model_, layer) && e < model_.moe->experts; ++e)
        add(expert_parts(model_), layer, e);
    }
  }

  void add(const std::vector<PartShape>& parts, int layer, int expert) {
    for (const PartShape& p : parts) {
      const StoredPlace place = stored_place(model_, p, layer, expert);
      std::vector<float>& values = values_[place.name];
      values.resize(std::size_t(p.size()));
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = float(i % 7) - 3;
      tensors_[place.name] = {formats::StoredType::f32, place.shape, std::as_bytes(std::span(values))};
    }
  }
  std::string file() const { return folder_.file("model.safetensors"); }
  void write() { test::write_safetensors(file(), tensors_); }
  std::string error() {
    write();
    try {
      Checkpoint checkpoint(model_, folder_.path().string());
      WeightScratch scratch;
      for (int layer = 0; layer < model_.layers; ++layer) layer_weights(model_, checkpoint, layer, scratch);
      expert_weights(model_, checkpoint, 1, 3, scratch);
    } catch (const ConfigError& e) {
      return e.what();
    }
    return "no error";
  }

  TemporaryFolder folder_;
  spec::Model model_;
  std::map<std::string, std::vector<float>> values_;
  std::map<std::string, formats::StoredTensor> tensors_;
};

const std::string kGate = "model.layers.1.mlp.experts.3.gate_proj.weight";

TEST_F(CheckpointFiles, NamesWhatDoesNotFitTheModel) {
  EXPECT_EQ(error(), "no error");
  const auto whole = tensors_;
  tensors_.erase(kGate);
  EXPECT_EQ(error(),
            folder_.path().string() + ": tensor " + kGate + " is missing; v3_micro needs it with shape [16, 32]");
  tensors_ = whole;
  tensors_[kGate].shape = {32, 16};
  EXPECT_EQ(error(),
            file() + ": tensor " + kGate + ": has shape [32, 16], but the model's configuration says [16, 32]");
  tensors_ = whole;
  tensors_["model.layers.9.mlp.gate.weight"] = whole.at("model.norm.weight");
  EXPECT_EQ(error(),
            file() + ": tensor model.layers.9.mlp.gate.weight [32] has no place in the model (3 layers, 8 experts)");
  tensors_ = whole;
  tensors_["model.layers.0.self_attn.rotary_emb.inv_freq"] = whole.at("model.norm.weight");  // of old releases
  EXPECT_EQ(error(), "no error");
  tensors_ = whole;
  tensors_[kGate].type = formats::StoredType::i32;
  EXPECT_EQ(error(),
            file() + ": tensor " + kGate +
                ": is stored as I32; expected F32, F16, BF16, F8_E4M3 with weight_scale_inv, or MXFP4 experts");
}

TEST_F(CheckpointFiles, NamesWeightsThatAreNotNumbers) {
  values_[kGate][40] = std::nanf("");
  EXPECT_EQ(error(), file() + ": tensor " + kGate + ": expected finite numbers, got nan at row 1, column 8");
}

TEST_F(CheckpointFiles, Fp8NeedsOneScaleABlock) {
  std::vector<std::uint8_t> bytes(16 * 32, 0x38);  // 1.0
  bytes[33] = 0xC4;                                // -3.0
  tensors_[kGate] = {formats::StoredType::f8_e4m3, {16, 32}, std::as_bytes(std::span(bytes))};
  EXPECT_EQ(error(), file() + ": tensor " + kGate + ": is FP8, but " + kGate + "_scale_inv is missing");
  std::vector<float> scales{0.5F, 2};
  tensors_[kGate + "_scale_inv"] = {formats::StoredType::f32, {1, 2}, std::as_bytes(std::span(scales))};
  EXPECT_EQ(error(), file() + ": tensor " + kGate +
                         "_scale_inv: expected F32 [1, 1], one scale a 128x128 block, got F32 [1, 2]");
  tensors_[kGate + "_scale_inv"] = {formats::StoredType::f32, {1, 1}, std::as_bytes(std::span(scales).first(1))};
  EXPECT_EQ(error(), "no error");
  Checkpoint checkpoint(model_, folder_.path().string());
  WeightScratch scratch;
  const FfnWeights w = expert_weights(model_, checkpoint, 1, 3, scratch);
  EXPECT_EQ(w.gate.matrix.data[0], 0.5F);
  EXPECT_EQ(w.gate.matrix.data[33], -1.5F);
}

TEST_F(CheckpointFiles, WhatDoesNotFitTheMemoryIsConvertedAnew) {
  std::vector<std::uint16_t> bits(16 * 32);
  for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = std::uint16_t(0x3F80 + i % 5);
  tensors_[kGate] = {formats::StoredType::bf16, {16, 32}, std::as_bytes(std::span(bits))};
  write();
  Checkpoint none(model_, folder_.path().string(), Bytes{0}), plenty(model_, folder_.path().string());
  WeightScratch scratch;
  const float* converted = expert_weights(model_, none, 1, 3, scratch).gate.matrix.data;
  const float* kept = expert_weights(model_, plenty, 1, 3, scratch).gate.matrix.data;
  EXPECT_EQ(converted, scratch[std::size_t(Part::expert_gate)].data());
  EXPECT_EQ(none.kept().v, 0);
  EXPECT_EQ(plenty.kept().v, 16 * 32 * 4);
  EXPECT_EQ(expert_weights(model_, plenty, 1, 3, scratch).gate.matrix.data, kept);
  for (std::size_t i = 0; i < bits.size(); ++i) {
    EXPECT_EQ(converted[i], formats::from_bf16(bits[i]));
    EXPECT_EQ(kept[i], converted[i]);
  }
}

TEST(NumberFormats, ReadExactly) {
  EXPECT_EQ(formats::from_bf16(0xC040), -3.0F);
  EXPECT_EQ(formats::from_fp16(0x3C00), 1.0F);
  EXPECT_EQ(formats::from_fp16(0xC500), -5.0F);
  EXPECT_EQ(formats::from_fp16(0x0001), 0x1p-24F);  // the smallest subnormal
  EXPECT_EQ(formats::from_fp16(0x7BFF), 65504.0F);
  EXPECT_TRUE(std::isinf(formats::from_fp16(0x7C00)));
  EXPECT_EQ(formats::from_e4m3(0x7E), 448.0F);
  EXPECT_EQ(formats::from_e4m3(0x01), 0x1p-9F);
  EXPECT_EQ(formats::from_e4m3(0x88), -0x1p-6F);
  EXPECT_TRUE(std::isnan(formats::from_e4m3(0xFF)));
}
}  // namespace
}  // namespace moesim::numerics
