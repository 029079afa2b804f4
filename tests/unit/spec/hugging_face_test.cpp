#include "spec/hugging_face.h"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <string>

#include "core/paths.h"
#include "spec/catalogue.h"
#include "spec/count.h"
#include "spec/extend.h"
#include "support/places.h"
#include "support/temporary_folder.h"

namespace moesim::spec {
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
  for (const auto& entry : fs::directory_iterator(test::source_dir() + "/tests/unit/spec/config")) {
    const std::string name = entry.path().filename().string();
    EXPECT_EQ(all_fields(read_hugging_face(entry.path() / "config.json")), all_fields(load_model(name))) << name;
    ++checked;
  }
  EXPECT_EQ(checked, 15);
}

TEST(HuggingFace, WhatIsWrittenReadsAsTheSameModel) {
  const TemporaryFolder folder;
  int checked = 0;
  for (const std::string& name : catalogue_names("models")) {
    Model model = load_model(name);
    if (!model.can_run()) continue;
    model.weights = Dtype::fp32;
    model.attention_weights.reset();
    model.expert_weights.reset();
    Model read = read_hugging_face(folder.write("config.json", hugging_face_json(model, "float32")));
    EXPECT_EQ(all_fields(read), all_fields(model)) << name;
    ++checked;
  }
  EXPECT_GT(checked, 25);
}

TEST(HuggingFace, Llama4NormAndTemperature) {
  const TemporaryFolder folder;
  const auto read = [&](const std::string& keys) {
    put_file(folder.file("config.json"), R"({"model_type": "llama4_text", "vocab_size": 9, "hidden_size": 8,
      "num_hidden_layers": 5, "intermediate_size": 4, "intermediate_size_mlp": 6, "num_attention_heads": 2,
      "num_local_experts": 4)" + keys + "}");
    return read_hugging_face(folder.file("config.json"));
  };
  const Model scout = read(R"(, "use_qk_norm": true, "attn_temperature_tuning": 4, "floor_scale": 100,
    "attn_scale": 0.25, "no_rope_layers": [1, 1, 0, 1, 1])");
  EXPECT_TRUE(scout.attention.qk_norm);
  EXPECT_EQ(scout.attention.temperature_scale, 0.25);
  EXPECT_EQ(scout.attention.temperature_floor, 100);
  EXPECT_EQ(scout.rope.no_rope_every, 3);
  const Model plain =
      read(R"(, "use_qk_norm": false, "attn_temperature_tuning": false, "no_rope_layers": [1, 1, 1, 1, 1])");
  EXPECT_FALSE(plain.attention.qk_norm);
  EXPECT_EQ(plain.attention.temperature_scale, 0);
  EXPECT_EQ(plain.rope.no_rope_every, 0);
  EXPECT_EQ(count_parameters(scout).total(), count_parameters(plain).total());  // the norm has no weights
  const Model missing = read("");
  EXPECT_TRUE(missing.attention.qk_norm);
  EXPECT_EQ(missing.attention.temperature_scale, 0.1);
  EXPECT_EQ(missing.attention.temperature_floor, 8192);
  EXPECT_EQ(missing.rope.no_rope_every, 4);
  for (Model model : {scout, plain, missing}) {
    put_file(folder.file("config.json"), hugging_face_json(model, "bfloat16"));
    EXPECT_EQ(all_fields(read_hugging_face(folder.file("config.json"))), all_fields(model));
  }
  EXPECT_THROW(read(R"(, "no_rope_layers": [1, 0, 0, 1, 1])"), ConfigError);
  EXPECT_THROW(read(R"(, "no_rope_layer_interval": 0)"), ConfigError);
  EXPECT_THROW(read(R"(, "floor_scale": 0)"), ConfigError);
}

TEST(HuggingFace, AFolderOrAFileStandsForTheModelInIt) {
  const std::string folder = test::source_dir() + "/tests/unit/spec/config/deepseek-v3";
  EXPECT_EQ(load_model(folder).moe->experts, 256);
  EXPECT_EQ(load_model(folder + "/config.json").name, "deepseek-v3");
  const Config scenario =
      Config::from_text("model: config/mixtral-8x7b", test::source_dir() + "/tests/unit/spec/s.yaml");
  EXPECT_EQ(read_model(scenario.at("model")).moe->experts, 8);
  EXPECT_NE(scenario.resolved().find("model.moe.experts: 8\n"), std::string::npos);
}

// As Gemma3TextConfig and MistralConfig of transformers have them; parts of wrappers leave them out.
TEST(HuggingFace, HeadsThatTheClassSays) {
  const TemporaryFolder folder;
  const auto heads = [&](const std::string& keys) {
    folder.write("config.json", R"({"vocab_size": 9, "hidden_size": 32, "num_hidden_layers": 6,
      "intermediate_size": 8, )" + keys +
                                    "}");
    const AttentionShape a = load_model(folder.path()).attention;
    return std::array{a.heads, a.kv_heads, a.head_dim};
  };
  EXPECT_EQ(heads(R"("model_type": "gemma3_text", "sliding_window": 4)"), (std::array{8, 4, 256}));
  EXPECT_EQ(heads(R"("model_type": "mistral", "num_attention_heads": 16)"), (std::array{16, 8, 2}));
}

TEST(HuggingFace, RopeParametersOfTransformers5) {
  const TemporaryFolder folder;
  folder.write("config.json", R"({"model_type": "llama", "vocab_size": 9, "hidden_size": 8,
    "num_hidden_layers": 1, "intermediate_size": 8, "num_attention_heads": 2, "rope_parameters":
    {"rope_type": "linear", "rope_theta": 500000.0, "factor": 4.0}})");
  const RopeShape r = load_model(folder.path()).rope;
  EXPECT_EQ(r.theta, 500'000);
  EXPECT_EQ(r.scaling, "linear");
  EXPECT_EQ(r.factor, 4);
}

TEST(HuggingFace, TinyModelsForNumericChecksLoad) {
  const fs::path folder = test::source_dir() + "/../shared/data/numerics";
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
}  // namespace moesim::spec
