#include "numerics/weights/export.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "numerics/synthetic/synthetic.h"
#include "numerics/weights/checkpoint.h"
#include "spec/catalogue.h"
#include "spec/scale.h"
#include "support/temporary_folder.h"

namespace moesim::numerics {
namespace {
/// A small model of each way in which checkpoints store experts.
class Export : public testing::TestWithParam<const char*> {};

spec::Model small(const char* name) {
  spec::Scale scale;
  scale.factor = 64;
  spec::Model model = spec::scaled(spec::load_model(name), scale);
  model.layers = std::min(model.layers, model.halved() ? 8 : 4);  // of halves the sixth attends
  model.mtp_layers = std::min(model.mtp_layers, 1);
  const auto gone = [&](int layer) { return layer >= model.layers; };
  std::erase_if(model.attention.sliding_layers, gone);
  if (model.delta) std::erase_if(model.delta->layers, gone);
  if (model.mamba) std::erase_if(model.mamba->layers, gone);
  std::erase_if(model.network_layers, gone);
  return model;
}

TEST_P(Export, ACheckpointOfSyntheticWeightsHoldsTheSameValues) {
  const TemporaryFolder folder;
  const spec::Model model = small(GetParam());
  SyntheticOptions options;
  options.warm_up_tokens = 0;
  SyntheticWeights weights(model, options, 1);
  export_checkpoint(model, weights, folder.file("out"), Bytes{1 << 20});
  const spec::Model read = spec::load_model(folder.file("out"));
  Checkpoint checkpoint(read, folder.file("out"));
  WeightScratch scratch, other;
  const auto same = [&](const PartShape& p, int layer, int expert) {
    const float* a = weights.get(p, layer, expert, scratch);
    const float* b = checkpoint.get(p, layer, expert, other);
    EXPECT_TRUE(std::equal(a, a + p.size(), b)) << "part " << int(p.part) << " of layer " << layer;
  };
  for (const PartShape& p : outer_parts(model)) same(p, -1, -1);
  for (int layer = 0; layer < model.layers + model.mtp_layers; ++layer) {
    for (const PartShape& p : layer_parts(model, layer)) same(p, layer, -1);
    if (!spec::has_experts(model, layer)) continue;
    for (const int e : {0, model.moe->experts - 1})
      for (const PartShape& p : expert_parts(model)) same(p, layer, e);
  }
  EXPECT_THROW(export_checkpoint(model, weights, folder.file("out")), ConfigError);
}

INSTANTIATE_TEST_SUITE_P(Models, Export,
                         testing::Values("deepseek-v3", "mixtral-8x7b", "gpt-oss-120b", "llama-4-maverick",
                                         "minimax-m2.5", "qwen3-next-80b-a3b", "qwen3.5-35b-a3b",
                                         "nemotron-3-nano-30b-a3b"),
                         [](const auto& model) {
                           std::string name = model.param;
                           std::erase_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; });
                           return name;
                         });
}  // namespace
}  // namespace moesim::numerics
