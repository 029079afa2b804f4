// What must hold for every model of the catalogue, whatever its shape.
#include <gtest/gtest.h>

#include <cmath>

#include "common/published_models.h"
#include "core/paths.h"
#include "core/random.h"
#include "spec/catalogue.h"
#include "spec/count.h"
#include "spec/layer_shape.h"
#include "spec/scale.h"

namespace moesim::spec {
namespace {
TEST(ModelLaw, ATokenUsesAtMostAllParametersAndADenseModelExactlyAll) {
  for (const Model& m : test::published_models()) {
    SCOPED_TRACE(m.name);
    const Parameters p = count_parameters(m);
    EXPECT_LE(p.active, p.total());
    EXPECT_EQ(p.active == p.total(), !m.moe);
    EXPECT_GT(p.active, p.attention + p.dense + p.shared + p.gate);
    EXPECT_LE(p.mtp, p.mtp_stored);
  }
}

TEST(ModelLaw, PartsAreSumsOfTheirLayers) {
  for (const Model& m : test::published_models()) {
    if (m.attention.compressed) continue;  // compressed_law.cpp
    SCOPED_TRACE(m.name);
    const Parameters p = count_parameters(m);
    const auto moe = std::int64_t(m.moe_layers().size());
    const int windows = layers_of_kind(m, AttentionKind::windowed), caching = caching_layers(m) - windows;
    const std::int64_t windowed = windows > 0 ? windows * attention_parameters(m, AttentionKind::windowed) : 0;
    const std::int64_t delta =
        m.delta ? std::int64_t(m.delta->layers.size()) * attention_parameters(m, AttentionKind::gated_delta) : 0;
    const std::int64_t mamba =
        m.mamba ? std::int64_t(m.mamba->layers.size()) * attention_parameters(m, AttentionKind::mamba2) : 0;
    const std::int64_t kimi =
        m.kimi ? std::int64_t(m.kimi->layers.size()) * attention_parameters(m, AttentionKind::kimi_delta) : 0;
    // A query and a norm before each half of a layer.
    const std::int64_t residuals = m.residual_blocks > 0 ? std::int64_t{4} * m.hidden * m.layers : 0;
    EXPECT_EQ(p.attention, caching * attention_parameters(m) + windowed + delta + mamba + kimi + residuals +
                               layers_with_indexer(m) * indexer_parameters(m));
    EXPECT_EQ(p.routed, m.moe ? moe * m.moe->experts * expert_parameters(m) : 0);
    const std::int64_t biases = m.moe && m.moe->selection_bias ? moe * m.moe->gate_outputs() : 0;
    EXPECT_EQ(p.gate, moe * gate_parameters(m) + biases);
  }
}

TEST(ModelLaw, FewerBitsNeverTakeMoreBytes) {
  for (const Model& m : test::published_models()) {
    SCOPED_TRACE(m.name);
    const auto bytes = [&](Dtype d) { return weight_bytes(m, {d, {}, {}}); };
    EXPECT_GT(bytes(Dtype::fp32), bytes(Dtype::bf16));
    EXPECT_GT(bytes(Dtype::bf16), bytes(Dtype::fp8));
    EXPECT_GT(bytes(Dtype::fp8), bytes(Dtype::fp4));
    EXPECT_GE(released_bytes(m), weight_bytes(m, released_storage(m)));
  }
}

TEST(ModelLaw, CacheGrowsWithTheContextUntilEveryWindowIsFull) {
  for (const Model& m : test::published_models()) {
    if (m.attention.compressed) continue;  // compressed_law.cpp
    SCOPED_TRACE(m.name);
    const Bytes state = state_bytes(m);
    const auto cache = [&](std::int64_t n) { return cache_bytes(m, n, CacheFormat::bf16) - state; };
    EXPECT_EQ(cache(1), cache_bytes_per_token(m, CacheFormat::bf16));
    EXPECT_LE(cache(4096), cache_bytes_per_token(m, CacheFormat::bf16) * 4096);
    const auto full = caching_layers(m) - std::int64_t(m.attention.sliding_layers.size());
    const Bytes index = index_bytes_per_token(m);  // in FP8 whatever the cache is
    EXPECT_EQ(cache(1'000'001) - cache(1'000'000), cache_bytes_per_layer(m, CacheFormat::bf16) * full + index);
    EXPECT_EQ(cache_bytes_per_token(m, CacheFormat::bf16) - index,
              (cache_bytes_per_token(m, CacheFormat::fp8) - index) * 2);
    EXPECT_EQ((cache_bytes_as(m, AttentionKind::gqa, 100, CacheFormat::bf16) - state).v * m.attention.heads,
              (cache_bytes_as(m, AttentionKind::mha, 100, CacheFormat::bf16) - state).v * 8);
  }
}

/// What an indexer's backward pass leaves out at 4096 tokens: gradients of what it reads, and of keys that it did not
/// pick: of 2048 before a token on average it picks p - p^2 / 8192.
double left_out_of_backward(const Model& m) {
  if (const std::optional<BlockShape>& b = m.attention.blocks) {
    const double wide = double(b->heads) * b->head_dim, chosen = double(b->picks());
    return layers_with_indexer(m) *
           (2 * (wide + b->head_dim) * m.hidden + 2 * 2 * wide * (2048 - chosen + chosen * chosen / 8192));
  }
  if (!m.attention.indexer) return 0;
  const IndexerShape& x = *m.attention.indexer;
  const double width = double(x.heads) * x.head_dim;
  double matrices = width * m.attention.q_lora_rank + double(x.head_dim + x.heads) * m.hidden;
  // DeepSeek-V4's entries are of 4 tokens; keys and gates of two halves of each make them.
  const double entry = m.attention.compressed ? m.attention.compressed->indexed : 1, picks = x.top_k * entry;
  if (entry > 1) matrices += 3.0 * x.head_dim * m.hidden;
  return layers_with_indexer(m) * (2 * matrices + 2 * 2 * width * (2048 - picks + picks * picks / 8192) / entry);
}

TEST(ModelLaw, OperationsAreTwiceTheParametersPlusAttention) {
  for (const Model& m : test::published_models()) {
    SCOPED_TRACE(m.name);
    const auto linear = 2 * double(count_parameters(m).active_no_embedding) + state_flops(m);
    EXPECT_GT(decode_flops(m, 1).v, linear);
    EXPECT_LT(decode_flops(m, 1).v, linear * 1.01);
    EXPECT_EQ(training_flops(m, 4096, true).v, 3 * prefill_flops(m, 4096).v - left_out_of_backward(m));
    EXPECT_GT(training_flops(m, 4096, false), training_flops(m, 4096, true));
    EXPECT_GE(decode_flops(m, 8192), decode_flops(m, 4096));
  }
}

TEST(ModelLaw, ALargerBatchReadsMoreWeightsButFewerAToken) {
  for (const Model& m : test::published_models()) {
    SCOPED_TRACE(m.name);
    const Storage storage = released_storage(m);
    double last = 0, last_a_token = INFINITY;
    for (const int batch : {1, 2, 8, 64, 4096}) {
      const double read = weight_bytes_read(m, storage, batch);
      EXPECT_GE(read, last);
      EXPECT_LT(read / batch, last_a_token);
      last = read, last_a_token = read / batch;
    }
    EXPECT_LE(last, double(weight_bytes(m, storage).v) + 4096.0 * 4 * m.hidden);
  }
}

TEST(ModelLaw, ScalingKeepsWhatRoutes) {
  Random random(7, "scale");
  for (const Model& m : test::published_models()) {
    for (int round = 0; round < 20; ++round) {
      Scale s;
      s.factor = 1 + 199 * random.uniform();
      SCOPED_TRACE(m.name + " / " + std::to_string(s.factor));
      const Model t = scaled(m, s);
      EXPECT_EQ(t.layers, m.layers);
      EXPECT_EQ(t.moe_layers(), m.moe_layers());
      EXPECT_EQ(t.attention.kind, m.attention.kind);
      EXPECT_LE(count_parameters(t).total(), count_parameters(m).total());
      if (!m.moe) continue;
      EXPECT_EQ(t.moe->experts, m.moe->experts);
      EXPECT_EQ(t.moe->top_k, m.moe->top_k);
      EXPECT_EQ(t.moe->groups, m.moe->groups);
      EXPECT_EQ(t.moe->groups_used, m.moe->groups_used);
      EXPECT_EQ(t.moe->shared_experts, m.moe->shared_experts);
      EXPECT_EQ(t.moe->scale, m.moe->scale);
    }
  }
}

TEST(HardwareLaw, EveryEntryLoadsAndIsPossible) {
  int loaded = 0;
  for (const std::string& name : catalogue_names("hardware")) {
    SCOPED_TRACE(name);
    const std::string type = hardware_type(catalogue_file("hardware", name, "hardware"));
    if (type == "gpu") {
      const Gpu g = load_gpu(name);
      EXPECT_TRUE(g.fp8.v == 0 || g.fp8.v > 1.9 * g.bf16.v);
      EXPECT_GT(g.price.v, 0);
      EXPECT_GT(g.power.v, 0);
    } else if (type == "node") {
      EXPECT_GT(load_node(name).gpu.sms, 0);
    } else if (type == "fabric") {
      EXPECT_GT(load_fabric(name).same_leaf_latency, Time{});
    } else if (type == "cluster") {
      const Cluster c = load_cluster(name);
      EXPECT_EQ(c.gpus(), c.nodes * c.node.gpus);
      EXPECT_FALSE(c.node.name.empty());
      EXPECT_FALSE(c.fabric.name.empty());
    } else {
      continue;
    }
    ++loaded;
  }
  EXPECT_GE(loaded, 31);
}
}  // namespace
}  // namespace moesim::spec
