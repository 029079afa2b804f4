#include "numerics/weights/assemble.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

#include "numeric/numerics/test_models.h"
#include "numerics/algebra/rounding.h"
#include "numerics/pass/forward.h"
#include "numerics/synthetic/synthetic.h"
#include "numerics/weights/checkpoint.h"
#include "numerics/weights/tensor_values.h"
#include "spec/hugging_face.h"
#include "support/safetensors.h"
#include "support/temporary_folder.h"

namespace moesim::numerics {
namespace {
namespace fs = std::filesystem;

constexpr const char* kConfig = R"({"model_type": "deepseek_v3", "vocab_size": 64, "hidden_size": 32,
 "intermediate_size": 48, "moe_intermediate_size": 16, "num_hidden_layers": 3, "first_k_dense_replace": 1,
 "moe_layer_freq": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "n_routed_experts": 8, "n_shared_experts": 1,
 "num_experts_per_tok": 2, "n_group": 4, "topk_group": 2, "scoring_func": "sigmoid", "topk_method": "noaux_tc",
 "norm_topk_prob": true, "routed_scaling_factor": 2.5, "q_lora_rank": 24, "kv_lora_rank": 16, "qk_nope_head_dim": 8,
 "qk_rope_head_dim": 4, "v_head_dim": 8, "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "hidden_act": "silu",
 "tie_word_embeddings": false, "attention_bias": false, "num_nextn_predict_layers": 0,
 "max_position_embeddings": 32})";

class Assemble : public testing::Test {
 protected:
  Assemble() {
    make("a", 1);
    make("b", 2);
  }
  std::string path(const std::string& name) const { return folder_.file(name); }

  /// A checkpoint of synthetic weights; half of it BF16.
  void make(const std::string& name, std::uint64_t seed) {
    fs::create_directories(path(name));
    std::ofstream(path(name) + "/config.json") << kConfig;
    const spec::Model model = v3_micro();
    SyntheticOptions options;
    options.seed = seed, options.warm_up_tokens = 0;
    SyntheticWeights weights(model, options, 1);
    WeightScratch scratch;
    std::map<std::string, std::vector<std::byte>> bytes;
    std::map<std::string, formats::StoredTensor> tensors;
    const auto put = [&](const PartShape& shape, int layer, int expert) {
      const StoredPlace place = stored_place(model, shape, layer, expert);
      const float* from = weights.get(shape, layer, expert, scratch);
      const std::vector<double> values(from, from + shape.size());
      const formats::StoredType type = expert >= 0 ? formats::StoredType::bf16 : formats::StoredType::f32;
      std::vector<std::byte>& to = bytes[place.name];
      write_values(type, values, to);
      tensors[place.name] = {type, place.shape, to};
    };
    for (const PartShape& p : outer_parts(model)) put(p, -1, -1);
    for (int layer = 0; layer < model.layers; ++layer) {
      for (const PartShape& p : layer_parts(model, layer)) put(p, layer, -1);
      for (int e = 0; spec::has_experts(model, layer) && e < model.moe->experts; ++e)
        for (const PartShape& p : expert_parts(model)) put(p, layer, e);
    }
    test::write_safetensors(path(name) + "/model.safetensors", tensors);
  }

  AssemblyOptions options(double a, double b, const std::string& output) const {
    AssemblyOptions o;
    o.parents = {{path("a"), a}, {path("b"), b}};
    o.output = path(output);
    return o;
  }
  std::string error_of(const AssemblyOptions& o) const {
    try {
      assemble(o);
    } catch (const ConfigError& e) {
      EXPECT_FALSE(fs::exists(o.output + ".partial"));
      return e.what();
    }
    return "no error";
  }
  /// Names of the tensors whose bytes differ.
  static std::vector<std::string> differing(const std::string& x, const std::string& y) {
    const formats::SafetensorsFolder a(x), b(y);
    std::vector<std::string> out;
    EXPECT_EQ(a.tensors().size(), b.tensors().size());
    for (const auto& [name, found] : a.tensors()) {
      const formats::StoredTensor &s = *found.tensor, &t = *b.find(name).tensor;
      if (s.bytes.size() != t.bytes.size() || std::memcmp(s.bytes.data(), t.bytes.data(), s.bytes.size()) != 0)
        out.push_back(name);
    }
    return out;
  }
  static std::vector<double> values(const std::string& folder, const std::string& name) {
    const formats::SafetensorsFolder f(folder);
    const formats::StoredTensor& t = *f.find(name).tensor;
    std::vector<double> out(std::size_t(t.elements()));
    read_values(t, 0, out);
    return out;
  }

  TemporaryFolder folder_;
  const std::string expert_ = "model.layers.1.mlp.experts.3.up_proj.weight";
};

TEST_F(Assemble, AWeightOfOneAndZeroGivesTheFirstParentByteForByte) {
  AssemblyOptions o = options(1, 0, "c");
  o.tensors = "all";
  const AssemblyResult r = assemble(o);
  EXPECT_TRUE(differing(path("a"), path("c")).empty());
  EXPECT_EQ(r.merged, r.tensors);
}

TEST_F(Assemble, RoutedExpertsOfTheOtherInTheBodyOfTheFirst) {
  const AssemblyResult r = assemble(options(0, 1, "c"));
  EXPECT_EQ(r.merged, 2 * 8 * 3);
  for (const std::string& name : differing(path("a"), path("c"))) EXPECT_NE(name.find(".experts."), std::string::npos);
  for (const std::string& name : differing(path("b"), path("c"))) EXPECT_EQ(name.find(".experts."), std::string::npos);
  EXPECT_EQ(values(path("b"), expert_), values(path("c"), expert_));
}

TEST_F(Assemble, MergesByWeightAndRunsShardedToo) {
  AssemblyOptions o = options(3, 1, "c");
  o.tensors = "all";
  o.shard = Bytes{8000};
  const AssemblyResult r = assemble(o);
  EXPECT_GT(r.files, 3);
  const auto a = values(path("a"), expert_), b = values(path("b"), expert_), c = values(path("c"), expert_);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(float(c[i]), round_to_bf16(float(0.75 * a[i] + 0.25 * b[i])));
  const spec::Model model = spec::read_hugging_face(path("c") + "/config.json");
  Checkpoint weights(model, path("c"));
  Forward forward(model, weights, {.threads = 1});
  KvCache cache = forward.new_cache();
  const Segment segment{&cache, 0, 4};
  const Matrix logits = forward.logits(forward.run(std::vector{1, 2, 3, 4}, {&segment, 1}).view());
  for (const float v : logits.values) EXPECT_TRUE(std::isfinite(v));
}

TEST_F(Assemble, TheThresholdSparesTensorsThatHardlyDiffer) {
  AssemblyOptions o = options(1, 1, "c");
  const AssemblyResult all = assemble(o);
  EXPECT_GT(all.largest_difference, 0.5);  // independent weights: about the square root of 2
  EXPECT_LT(all.largest_difference, 3);
  o.output = path("d");
  o.threshold = all.largest_difference;  // not above it
  const AssemblyResult none = assemble(o);
  EXPECT_EQ(none.merged, 0);
  EXPECT_EQ(none.below, all.merged);
  EXPECT_TRUE(differing(path("a"), path("d")).empty());
  o.output = path("e");
  o.threshold = all.largest_difference * (1 - 1e-12);
  EXPECT_GE(assemble(o).merged, 1);
  EXPECT_EQ(assemble([&] {
              o.output = path("f"), o.threshold = 0;
              o.tensors = "layers\\.2\\..*experts\\.(0|1)\\.";
              return o;
            }())
                .merged,
            6);
}

TEST_F(Assemble, Fp8MatricesGetNewScales) {
  std::vector<float> scales{0.5F, 2};
  std::vector<std::byte> x(2 * 130, std::byte{to_e4m3(1)}), y(2 * 130, std::byte{to_e4m3(3)});
  const auto write = [&](const std::string& name, const std::vector<std::byte>& values) {
    test::write_safetensors(
        path(name) + "/model.safetensors",
        {{"m.experts.0.w", {formats::StoredType::f8_e4m3, {2, 130}, values}},
         {"m.experts.0.w_scale_inv", {formats::StoredType::f32, {1, 2}, std::as_bytes(std::span(scales))}}});
  };
  write("a", x);
  write("b", y);
  const AssemblyResult r = assemble(options(1, 1, "c"));
  EXPECT_EQ(r.merged, 1);
  EXPECT_DOUBLE_EQ(r.largest_difference, 2);  // |3 - 1| / 1
  const formats::SafetensorsFolder c(path("c"));
  std::vector<double> got;
  read_scaled(*c.find("m.experts.0.w").tensor, *c.find("m.experts.0.w_scale_inv").tensor, 0, 2, got);
  EXPECT_NEAR(got[0], 1, 1e-6);    // (1 + 3) / 2 * 0.5
  EXPECT_NEAR(got[259], 4, 1e-6);  // (1 + 3) / 2 * 2
  EXPECT_EQ(values(path("c"), "m.experts.0.w_scale_inv")[1], double(4.0F / 448));
}

TEST_F(Assemble, NamesTheFirstDifferenceAndLeavesNothing) {
  AssemblyOptions o = options(1, 1, "c");
  const std::string b = path("b") + "/model.safetensors";
  const std::vector<std::byte> bytes(8);
  EXPECT_EQ(error_of([&] {
              AssemblyOptions p = o;
              p.tensors = "nothing";
              return p;
            }()),
            "--tensors: no tensor of " + path("a") + " matches \"nothing\"");
  EXPECT_TRUE(error_of([&] {
                AssemblyOptions p = o;
                p.tensors = "(";
                return p;
              }())
                  .starts_with("--tensors: \"(\" is not a valid pattern: "));
  EXPECT_EQ(error_of(options(0, 0, "c")), "--parent: the weights are all zero");

  fs::copy_file(b, path("kept"));
  test::write_safetensors(b, {{"lm_head.weight", {formats::StoredType::f32, {1, 2}, bytes}}});
  EXPECT_EQ(error_of(o),
            b + ": tensor lm_head.weight is F32 [1, 2], but F32 [64, 32] in " + path("a") + "/model.safetensors");
  test::write_safetensors(b, {});
  EXPECT_EQ(error_of(o), path("b") + ": tensor lm_head.weight is missing; " + path("a") +
                             "/model.safetensors has it as F32 [64, 32]");
  fs::copy_file(path("kept"), b, fs::copy_options::overwrite_existing);
  std::string config = kConfig;
  config.replace(config.find("\"num_experts_per_tok\": 2"), 24, "\"num_experts_per_tok\": 4");
  std::ofstream(path("b") + "/config.json") << config;
  EXPECT_EQ(error_of(o), path("b") + "/config.json: num_experts_per_tok is 4, but 2 in " + path("a") + "/config.json");
  fs::create_directories(path("c"));
  EXPECT_NE(error_of(o).find("already exists"), std::string::npos);
}

TEST(Parent, AWeightFollowsTheLastColon) {
  EXPECT_EQ(parse_parent("a/b:0.25").folder, "a/b");
  EXPECT_EQ(parse_parent("a/b:0.25").weight, 0.25);
  EXPECT_EQ(parse_parent("a:b").folder, "a:b");
  EXPECT_EQ(parse_parent("a:b").weight, 1);
  EXPECT_THROW(parse_parent("a:-1"), ConfigError);
}
}  // namespace
}  // namespace moesim::numerics
