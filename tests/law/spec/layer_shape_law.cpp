// What must hold for the layers of every model of the catalogue.
#include <gtest/gtest.h>

#include <algorithm>

#include "common/published_models.h"
#include "core/files.h"
#include "core/random.h"
#include "spec/catalogue.h"
#include "spec/count.h"
#include "spec/layer_shape.h"
#include "spec/scale.h"

namespace moesim::spec {
namespace {
/// Parameters of one layer's feed-forward network, gate and biases with it.
std::int64_t ffn_parameters(const Model& m, const LayerShape& layer) {
  const std::int64_t dense = 3 * std::int64_t{m.hidden} * layer.ffn.width;
  if (!layer.has_experts()) return dense;
  const std::int64_t bias = m.moe->selection_bias ? m.moe->gate_outputs() : 0;
  const std::int64_t matrices = m.expert_inputs() + 1;
  const std::int64_t shared = matrices * m.hidden * m.moe->shared_total() + (m.moe->shared_gate ? m.hidden : 0) +
                              2 * std::int64_t{m.hidden} * m.moe->latent_width +
                              (m.moe->latent_norm ? m.moe->latent_width : 0);
  return m.moe->experts * expert_parameters(m) + shared + gate_parameters(m) + bias;
}

TEST(LayerShapeLaw, TheLayersAddUpToTheModel) {
  for (const Model& m : test::published_models()) {
    if (m.attention.compressed) continue;  // compressed_law.cpp
    SCOPED_TRACE(m.name);
    const Parameters p = count_parameters(m);
    std::int64_t sum = p.embedding + p.head + m.hidden;  // the last norm
    for (const LayerShape& layer : layer_shapes(m))
      sum += attention_parameters(m, layer.attention.kind) + ffn_parameters(m, layer) +
             std::int64_t{m.norms_per_layer + (m.residual_blocks > 0 ? 4 : 0)} * m.hidden +
             (layer.attention.index == IndexUse::own ? indexer_parameters(m) : 0);
    EXPECT_EQ(sum, p.total());
  }
}

TEST(LayerShapeLaw, TheCacheIsWhatTheLayersKeep) {
  Random random(3, "contexts");
  for (const Model& m : test::published_models()) {
    if (m.attention.compressed) continue;  // compressed_law.cpp
    SCOPED_TRACE(m.name);
    for (int round = 0; round < 20; ++round) {
      const auto context = std::int64_t(1 + random.below(200'000));
      Bytes sum = state_bytes(m) + index_bytes_per_token(m) * context;
      for (const LayerShape& layer : layer_shapes(m))
        if (caches_tokens(layer.attention.kind))
          sum += cache_bytes_per_layer(m, layer.attention.kind, CacheFormat::bf16) * layer.attention.keeps.of(context);
      EXPECT_EQ(sum, cache_bytes(m, context, CacheFormat::bf16)) << context;
    }
  }
}

TEST(LayerShapeLaw, ALayerReadsOnlyWhatItKeeps) {
  Random random(4, "positions");
  for (const Model& m : test::published_models())
    for (const LayerShape& layer : layer_shapes(m)) {
      const LayerAttention& a = layer.attention;
      for (int round = 0; round < 20; ++round) {
        const auto position = std::int64_t(random.below(200'000));
        const bool picks = a.reads.span == KeysRead::Span::picked;
        const std::int64_t first = a.reads.first_key(position), before = position + 1 - first;
        const std::int64_t read = picks ? std::min(before, a.reads.width) : before;
        ASSERT_GE(first, 0) << m.name;
        ASSERT_GE(read, 1) << m.name;  // itself
        ASSERT_LE(read, a.keeps.of(position + 1)) << m.name << " at " << position;
        ASSERT_EQ(a.reads.seen(position), read - 1) << m.name << " at " << position;
      }
    }
}

TEST(LayerShapeLaw, DecodingAttendsToWhatTheLayersRead) {
  for (const Model& m : test::published_models()) {
    if (m.attention.compressed) continue;  // compressed_law.cpp
    SCOPED_TRACE(m.name);
    // One more token of context costs each layer that still grows the same, and the others nothing; layers with heads
    // of their own as these are wide.
    double grows = 0, layers = 0;
    for (const LayerShape& l : layer_shapes(m)) {
      const AttentionShape a = heads_of(m.attention, l.attention.kind);
      const double columns = m.attention.window_heads ? double(a.heads) * (a.head_dim + a.v_head_dim) : 1;
      layers += columns;
      if (!l.attention.reads.bounded() || l.attention.reads.width > 1000) grows += columns;
    }
    const double one = decode_flops(m, 1000).v - decode_flops(m, 999).v,
                 all = decode_flops(m, 2).v - decode_flops(m, 1).v;
    EXPECT_NEAR(one / all, grows / layers, 1e-9);
  }
}

TEST(LayerShapeLaw, ScalingKeepsWhatLayersReadAndKeep) {
  for (const Model& m : test::published_models()) {
    const Model small = scaled(m, laptop_scale(m));
    for (int layer = 0; layer < m.layers; ++layer) {
      const LayerShape a = layer_shape(m, layer), b = layer_shape(small, layer);
      EXPECT_EQ(a.attention.kind, b.attention.kind);
      EXPECT_EQ(a.attention.reads, b.attention.reads);
      EXPECT_EQ(a.attention.keeps, b.attention.keeps);
      EXPECT_EQ(a.ffn.kind, b.ffn.kind);
      EXPECT_EQ(a.attention.rope.active, b.attention.rope.active);
      EXPECT_EQ(b.attention.rope.dims > 0, caches_tokens(a.attention.kind));
    }
  }
}
}  // namespace
}  // namespace moesim::spec
