#include "spec/hugging_face.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "spec/catalogue.h"
#include "spec/count.h"
#include "spec/extend.h"

namespace moesim {
namespace {
namespace fs = std::filesystem;

/// Every field of a model as text; what a config.json does not say is left out.
std::string all_fields(Model m) {
  m.title = m.family = m.hugging_face = m.license = m.source = "";
  m.published = {};
  const Config config = Config::from_text("{}", "model");
  note_fields(config, m);
  return config.resolved();
}

TEST(HuggingFace, ConfigFilesGiveTheSameModelAsTheCatalogue) {
  int checked = 0;
  for (const auto& entry : fs::directory_iterator(SOURCE_DIR "/tests/unit/spec/config")) {
    const std::string name = entry.path().filename().string();
    EXPECT_EQ(all_fields(read_hugging_face(entry.path() / "config.json")), all_fields(load_model(name))) << name;
    ++checked;
  }
  EXPECT_EQ(checked, 15);
}

TEST(HuggingFace, AFolderOrAFileStandsForTheModelInIt) {
  const std::string folder = SOURCE_DIR "/tests/unit/spec/config/deepseek-v3";
  EXPECT_EQ(load_model(folder).moe->experts, 256);
  EXPECT_EQ(load_model(folder + "/config.json").name, "deepseek-v3");
  const Config scenario = Config::from_text("model: config/mixtral-8x7b", SOURCE_DIR "/tests/unit/spec/s.yaml");
  EXPECT_EQ(read_model(scenario.at("model")).moe->experts, 8);
  EXPECT_NE(scenario.resolved().find("model.moe.experts: 8\n"), std::string::npos);
}

TEST(HuggingFace, TinyModelsForNumericChecksLoad) {
  const fs::path folder = SOURCE_DIR "/../shared/data/numerics";
  if (!fs::exists(folder)) GTEST_SKIP() << "the measurement tables are not here";
  const Model lite = load_model(folder / "v2lite_tiny");
  EXPECT_EQ(lite.moe->selection, Selection::greedy);
  EXPECT_EQ(lite.attention.q_lora_rank, 0);
  EXPECT_EQ(lite.weights, Dtype::fp32);
  const Model micro = load_model(folder / "v3_micro" / "config.json");
  EXPECT_EQ(micro.moe->groups, 4);
  EXPECT_EQ(micro.moe->score, Score::sigmoid);
  EXPECT_EQ(micro.moe_layers(), (std::vector<int>{1, 2}));
}
}  // namespace
}  // namespace moesim
