// Families read as releases against a pass written apart from this one (plain_reference.h): same experts, weights
// within 1e-5, logits within 1e-4, whole, in pieces and a token at a time; and through a checkpoint on disk.
#include "numeric/numerics/plain_reference.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>

#include "core/files.h"
#include "core/random.h"
#include "numerics/pass/forward.h"
#include "numerics/weights/checkpoint.h"
#include "numerics/weights/export.h"
#include "spec/catalogue.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::numerics {
namespace {
/// Normal numbers by role and place; norms about what leaves their input as it is.
class RandomWeights final : public Weights {
 public:
  RandomWeights(const spec::Model& model, std::uint64_t seed) : model_(model), seed_(seed) {}
  const float* get(const PartShape& shape, int layer, int expert, WeightScratch&) override {
    std::vector<float>& out = made_[{int(shape.part), layer, expert}];
    if (!out.empty()) return out.data();
    Random random(seed_, fmt::format("part {} of layer {}, expert {}", int(shape.part), layer, expert));
    const bool from_one = spec::traits_of(model_.architecture).norms_from_one;
    for (std::int64_t i = 0; i < shape.size(); ++i) out.push_back(float(value(shape, random.normal(), from_one)));
    return out.data();
  }

 private:
  static double value(const PartShape& shape, double x, bool from_one) {
    switch (shape.part) {
      case Part::attention_norm:
      case Part::ffn_norm:
      case Part::final_norm:
      case Part::query_norm:
      case Part::key_norm:
        return 0.2 * x + (from_one ? 0 : 1);
      case Part::mamba_norm:
      case Part::delta_norm:
        return 0.2 * x + 1;
      case Part::mamba_step_bias:
      case Part::delta_step_bias:
        return x - 2;
      case Part::mamba_convolution:
      case Part::delta_convolution:
      case Part::embedding:
        return x;
      default:
        return shape.rows == 1 ? 0.3 * x : 1.5 * x / std::sqrt(double(shape.columns));
    }
  }
  const spec::Model& model_;
  std::uint64_t seed_;
  std::map<std::array<int, 3>, std::vector<float>> made_;
};

constexpr std::string_view kOlmoe = R"({"model_type": "olmoe", "vocab_size": 40, "hidden_size": 24,
  "num_hidden_layers": 2, "num_attention_heads": 3, "num_key_value_heads": 3, "num_experts": 8,
  "num_experts_per_tok": 3, "intermediate_size": 10, "max_position_embeddings": 64})";
constexpr std::string_view kQwen2 = R"({"model_type": "qwen2_moe", "vocab_size": 40, "hidden_size": 24,
  "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "num_experts": 7,
  "num_experts_per_tok": 2, "moe_intermediate_size": 10, "shared_expert_intermediate_size": 17,
  "intermediate_size": 40, "max_position_embeddings": 64})";
constexpr std::string_view kMinimax = R"({"model_type": "minimax_m2", "vocab_size": 40, "hidden_size": 24,
  "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 12, "rotary_dim": 8,
  "num_local_experts": 8, "num_experts_per_tok": 3, "intermediate_size": 10, "scoring_func": "sigmoid",
  "rope_theta": 5000, "max_position_embeddings": 64})";
constexpr std::string_view kNext = R"({"model_type": "qwen3_next", "vocab_size": 40, "hidden_size": 24,
  "num_hidden_layers": 3, "full_attention_interval": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
  "head_dim": 16, "linear_num_key_heads": 2, "linear_num_value_heads": 6, "linear_key_head_dim": 8,
  "linear_value_head_dim": 12, "linear_conv_kernel_dim": 3, "num_experts": 8, "num_experts_per_tok": 3,
  "moe_intermediate_size": 10, "shared_expert_intermediate_size": 13, "max_position_embeddings": 64})";
constexpr std::string_view kQwen35 = R"({"model_type": "qwen3_5_moe_text", "vocab_size": 40, "hidden_size": 24,
  "num_hidden_layers": 3, "layer_types": ["full_attention", "linear_attention", "linear_attention"],
  "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 8, "linear_num_key_heads": 3,
  "linear_num_value_heads": 3, "linear_key_head_dim": 8, "linear_value_head_dim": 4, "linear_conv_kernel_dim": 4,
  "num_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 10, "shared_expert_intermediate_size": 20,
  "max_position_embeddings": 64})";

constexpr std::string_view kNemotron = R"({"model_type": "nemotron_h", "vocab_size": 40, "hidden_size": 24,
  "hybrid_override_pattern": "MEM*EM", "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
  "mamba_num_heads": 4, "mamba_head_dim": 6, "n_groups": 2, "ssm_state_size": 5, "conv_kernel": 3,
  "n_routed_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 10, "n_shared_experts": 1,
  "moe_shared_expert_intermediate_size": 20, "norm_topk_prob": true, "routed_scaling_factor": 2.5,
  "layer_norm_epsilon": 1e-5, "max_position_embeddings": 64})";

class ReleasedFamily : public testing::TestWithParam<std::pair<const char*, std::string_view>> {
 protected:
  TemporaryFolder folder_;
  spec::Model model_ = spec::load_model(folder_.write("config.json", std::string(GetParam().second)));
  const std::vector<int> tokens_ = {3, 17, 25, 8, 30, 11, 2, 19, 27, 5, 14, 22, 22, 39, 0, 6};
};

void expect_same(const PlainReference& want, const spec::Model& model, Weights& weights, const std::vector<int>& tokens,
                 const std::vector<int>& calls) {
  Forward forward(model, weights, {.threads = 2});
  KvCache cache = forward.new_cache();
  std::size_t at = 0;
  for (const int count : calls) {
    const Segment segment{&cache, 0, count};
    const Matrix hidden =
        forward.run(std::span(tokens).subspan(at, std::size_t(count)), {&segment, 1}, [&](int layer, const Routing& r) {
          for (std::size_t i = 0; i < r.experts.size(); ++i) {
            const auto& choice = want.choices.at(layer)[at + i / std::size_t(r.top_k)];
            EXPECT_EQ(r.experts[i], choice.experts[i % std::size_t(r.top_k)]) << "layer " << layer;
            EXPECT_NEAR(r.weights[i], choice.weights[i % std::size_t(r.top_k)], 1e-5) << "layer " << layer;
          }
        });
    const Matrix logits = forward.logits(hidden.view());
    for (int r = 0; r < count; ++r)
      for (int v = 0; v < model.vocabulary; ++v)
        ASSERT_NEAR(logits.row(r)[v], want.logits[at + std::size_t(r)][std::size_t(v)], 1e-4)
            << "token " << at + std::size_t(r);
    at += std::size_t(count);
  }
  EXPECT_EQ(at, tokens.size());
  EXPECT_EQ(cache.length(), int(tokens.size()));
}

TEST_P(ReleasedFamily, AgreesWithAPassWrittenApart) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    SCOPED_TRACE(seed);
    RandomWeights weights(model_, seed);
    PlainReference want(model_, weights);
    want.run(tokens_);
    expect_same(want, model_, weights, tokens_, {16});
    expect_same(want, model_, weights, tokens_, {1, 1, 5, 7, 1, 1});
    expect_same(want, model_, weights, tokens_, std::vector<int>(16, 1));
  }
}

TEST_P(ReleasedFamily, SequencesOfABatchDoNotTouchEachOther) {
  RandomWeights weights(model_, 4);
  PlainReference first(model_, weights), second(model_, weights);
  const std::vector<int> other(tokens_.rbegin(), tokens_.rend());
  first.run(tokens_);
  second.run(other);
  Forward forward(model_, weights, {.threads = 2});
  KvCache a = forward.new_cache(), b = forward.new_cache();
  std::vector<int> both(tokens_.begin(), tokens_.begin() + 9);
  both.insert(both.end(), other.begin(), other.begin() + 4);
  const std::vector<Segment> segments = {{&a, 0, 9}, {&b, 9, 4}};
  const Matrix logits = forward.logits(forward.run(both, segments).view());
  for (int v = 0; v < model_.vocabulary; ++v) {
    EXPECT_NEAR(logits.row(8)[v], first.logits[8][std::size_t(v)], 1e-4);
    EXPECT_NEAR(logits.row(12)[v], second.logits[3][std::size_t(v)], 1e-4);
  }
}

TEST_P(ReleasedFamily, ACheckpointOnDiskGivesTheSame) {
  RandomWeights weights(model_, 5);
  PlainReference want(model_, weights);
  want.run(tokens_);
  const std::string out = folder_.file("exported");
  export_checkpoint(model_, weights, out);
  const spec::Model read = spec::load_model(out);
  EXPECT_EQ(read.architecture, model_.architecture);
  Checkpoint stored(read, out);
  expect_same(want, read, stored, tokens_, {10, 6});
}

TEST_P(ReleasedFamily, AConfigurationThatIsNotTheTensorsIsRefused) {
  RandomWeights weights(model_, 6);
  const std::string out = folder_.file("exported");
  export_checkpoint(model_, weights, out);
  spec::Model other = spec::load_model(out);
  if (other.delta)
    other.delta->convolution += 1;
  else
    other.moe->expert_width += 1;
  const std::string said = test::refusal_of([&] { Checkpoint(other, out); });
  EXPECT_NE(said.find("but the model's configuration says"), std::string::npos) << said;
}

INSTANTIATE_TEST_SUITE_P(All, ReleasedFamily,
                         testing::Values(std::pair("olmoe", kOlmoe), std::pair("qwen2_moe", kQwen2),
                                         std::pair("minimax_m2", kMinimax), std::pair("qwen3_next", kNext),
                                         std::pair("qwen3_5_moe", kQwen35), std::pair("nemotron_h", kNemotron)),
                         [](const auto& family) { return std::string(family.param.first); });
}  // namespace
}  // namespace moesim::numerics
