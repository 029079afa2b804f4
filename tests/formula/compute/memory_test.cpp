// What weights, caches and training hold, counted by hand.
#include <gtest/gtest.h>

#include <algorithm>

#include "compute/layers/inventory.h"
#include "compute/layers/memory.h"
#include "spec/catalogue.h"

namespace moesim::compute {
namespace {
TEST(Memory, OneTokenOfCacheAndTheWeightsOfAWholeModel) {
  const spec::Model v3 = spec::load_model("deepseek-v3");
  HeldLayers held;
  for (int i = 0; i < v3.layers; ++i) held.layers.push_back(i);
  LayerOptions options;
  EXPECT_EQ(kv_bytes_per_token(v3, held, options), Bytes{61 * 576 * 2});
  options.precision.kv_cache = spec::Dtype::fp8;
  EXPECT_EQ(kv_bytes_per_token(v3, held, options), Bytes{61 * 656});
  held.embedding = held.head = true;
  held.experts = 256;
  EXPECT_EQ(held_weights(v3, held, spec::Dtype::bf16, options), Bytes{2 * 671026419200});  // parameters without MTP
  held.copies = 2;
  EXPECT_EQ(held_weights(v3, held, spec::Dtype::bf16, options), Bytes{4 * 671026419200});
}

TEST(Memory, TrainingKeepsMasterGradientsAndMomentsByZeroStage) {
  const spec::Model m = spec::load_model("mixtral-8x7b");
  HeldLayers held;
  held.layers = {0};
  held.experts = 8;
  const std::int64_t parameters = held_weights(m, held, spec::Dtype::bf16, {}).v / 2;
  LayerOptions options;
  options.training = true;
  TrainingState state;
  state.zero = 0;
  const Batch batch = training_batch(m, 64);
  const auto item = [&](const MemoryUse& use, const std::string& name) {
    for (const MemoryItem& i : use.items)
      if (i.name == name) return i.bytes;
    return Bytes{};
  };
  const auto kept = [&](double in_flight) {
    return sum_of(held_activations(m, held, batch, 128, std::vector{in_flight}, options));
  };
  const MemoryUse whole = training_memory(m, held, state, batch, 128, kept(1), options, 0_B);
  EXPECT_EQ(item(whole, "weights"), Bytes{2 * parameters});
  EXPECT_EQ(item(whole, "gradients"), Bytes{4 * parameters});
  EXPECT_EQ(item(whole, "master weights"), Bytes{4 * parameters});
  EXPECT_EQ(item(whole, "optimizer moments"), Bytes{4 * parameters});
  state.zero = 1, state.data_parallel = state.expert_parallel_data = 4;
  EXPECT_NEAR(double(item(training_memory(m, held, state, batch, 128, {}, options, 0_B), "master weights").v),
              double(parameters), 2);
  const MemoryUse twice = training_memory(m, held, state, batch, 128, kept(2), options, 0_B);
  EXPECT_EQ(item(twice, "activations"), item(whole, "activations") * 2);
}

// A token of one GQA layer in BF16: Llama-3.1-405B has 128 + 8 heads of 128, hidden 16,384 and an FFN of 53,248.
TEST(Memory, ActivationsOfADenseLayerCountedByHand) {
  const spec::Model model = spec::load_model("llama-3.1-405b");
  LayerOptions options;
  options.training = true;
  const auto kept = [&] { return sum_of(layer_activations(model, 0, training_batch(model, 1), 0, options)).v; };
  const std::int64_t attention = 16384 + 16384 + (128 + 8 + 8) * 128 + 16384;  // input, normed, q k v, output
  const std::int64_t ffn = 16384 + 16384 + 2 * 53248 + 53248;                  // residual, normed, gate-up, activation
  EXPECT_EQ(kept(), 2 * (attention + ffn) + 4 * 128);                          // and a softmax sum a head
  options.recompute.swiglu = options.recompute.norms = true;
  EXPECT_EQ(kept(), 2 * (attention + ffn - 2 * 16384 - 53248) + 4 * 128);
}

// DeepSeek-V3's moments in BF16: 2 x 2 bytes of each parameter, over the GPUs that share them.
TEST(Memory, MomentsAreTwoBytesTwice) {
  const spec::Model v3 = spec::load_model("deepseek-v3");
  HeldLayers held;
  for (int i = 0; i < v3.layers; ++i) held.layers.push_back(i);
  held.embedding = held.head = true;
  held.experts = 256;
  LayerOptions options;
  options.training = true;
  TrainingState state;
  state.zero = 0;
  const MemoryUse use = training_memory(v3, held, state, training_batch(v3, 64), 64, {}, options, {});
  const auto moments = std::ranges::find(use.items, "optimizer moments", &MemoryItem::name);
  ASSERT_NE(moments, use.items.end());
  EXPECT_EQ(moments->bytes, Bytes{4 * 671026419200});
}

TEST(Memory, EachRecomputationKeepsLess) {
  const spec::Model v3 = spec::load_model("deepseek-v3");
  LayerOptions options;
  options.training = true;
  options.precision.linear = spec::Dtype::fp8;
  const Batch batch = training_batch(v3, 4096);
  const auto kept = [&] {
    std::int64_t sum = 0;
    for (const MemoryItem& i : layer_activations(v3, 10, batch, 32768, options)) sum += i.bytes.v;
    return sum;
  };
  const std::int64_t everything = kept();
  options.recompute.up_projections = true;
  const std::int64_t no_up = kept();
  options.recompute.norms = options.recompute.swiglu = true;
  const std::int64_t selective = kept();
  options.recompute.layer = true;
  // q of 128 x 192, k of 128 x 192 and v of 128 x 128 in BF16 a token
  EXPECT_EQ(everything - no_up, 4096 * 128 * (192 + 192 + 128) * 2);
  EXPECT_LT(selective, no_up);
  EXPECT_EQ(kept(), 4096 * 7168 * 2);
}
}  // namespace
}  // namespace moesim::compute
