// What must hold for models that attend over entries of several tokens, DeepSeek-V4's, in place of the laws of others.
#include <gtest/gtest.h>

#include "common/published_models.h"
#include "core/random.h"
#include "spec/attention_rules.h"
#include "spec/catalogue.h"
#include "spec/count.h"
#include "spec/layer_shape.h"

namespace moesim::spec {
namespace {
std::vector<Model> compressed_models() {
  std::vector<Model> out;
  for (const Model& m : test::published_models())
    if (m.attention.compressed) out.push_back(m);
  return out;
}
std::int64_t elements(const std::vector<AttentionWeight>& weights) {
  std::int64_t sum = 0;
  for (const AttentionWeight& w : weights) sum += w.rows * w.columns;
  return sum;
}

TEST(CompressedLaw, TheLayersAddUpToTheModel) {
  ASSERT_EQ(compressed_models().size(), 2u);
  for (const Model& m : compressed_models()) {
    SCOPED_TRACE(m.name);
    const std::int64_t n = m.residual_streams, wide = n * m.hidden, numbers = (2 + n) * n;
    std::int64_t sum = 2 * std::int64_t{m.vocabulary} * m.hidden + m.hidden;  // embedding, head, the last norm
    sum += n * wide + n + 1;                                                  // what joins the streams
    for (int layer = 0; layer < m.layers; ++layer) {
      const LayerShape shape = layer_shape(m, layer);
      sum += attention_parameters(m, shape.attention.kind) +
             elements(rules_of(shape.attention.kind).entry_weights(m, shape.attention.entry)) +
             (shape.attention.index == IndexUse::own ? indexer_parameters(m) : 0);
      sum += 2 * (numbers * wide + numbers + 3) + std::int64_t{m.norms_per_layer} * m.hidden;
      sum += m.moe->experts * expert_parameters(m) + 3 * std::int64_t{m.hidden} * m.moe->shared_total() +
             gate_parameters(m) + (layer >= m.moe->hash_layers ? m.moe->experts : 0);
    }
    EXPECT_EQ(sum, count_parameters(m).total());
  }
}

// A window, which is full soon; entries that are full; states of those that are not.
TEST(CompressedLaw, TheCacheIsWhatTheLayersKeep) {
  Random random(3, "contexts");
  for (const Model& m : compressed_models()) {
    SCOPED_TRACE(m.name);
    const Bytes one = cache_bytes_per_layer(m, CacheFormat::fp8);
    for (int round = 0; round < 20; ++round) {
      const auto context = std::int64_t(1 + random.below(200'000));
      Bytes sum = state_bytes(m);
      for (int layer = 0; layer < m.layers; ++layer) {
        const LayerAttention a = layer_shape(m, layer).attention;
        sum += one * std::min<std::int64_t>(context, m.attention.compressed->window);
        if (a.entry > 0) sum += one * (context / a.entry);
        if (a.index == IndexUse::own) sum += index_bytes_per_layer(m, layer) * a.entry * (context / a.entry);
      }
      EXPECT_EQ(sum, cache_bytes(m, context, CacheFormat::fp8)) << context;
    }
    // Of 128 tokens, the longest entry: what each adds for good, rounded up.
    const Bytes grown = cache_bytes(m, 128 * 800, CacheFormat::fp8) - cache_bytes(m, 128 * 799, CacheFormat::fp8);
    EXPECT_LE(grown, cache_bytes_per_token(m, CacheFormat::fp8) * 128);
    EXPECT_GT(grown + Bytes{128}, cache_bytes_per_token(m, CacheFormat::fp8) * 128);
  }
}

TEST(CompressedLaw, LongContextsCostScoresOfEntriesAndEntriesThatAllRead) {
  for (const Model& m : compressed_models()) {
    SCOPED_TRACE(m.name);
    const AttentionShape& a = m.attention;
    int all = 0;
    for (const LayerShape& layer : layer_shapes(m)) all += layer.attention.entry == 128;
    const double grown = decode_flops(m, 128 * 101).v - decode_flops(m, 128 * 100).v;
    EXPECT_EQ(grown, layers_with_indexer(m) * 2.0 * a.indexer->heads * a.indexer->head_dim * 32 +
                         all * 2.0 * a.heads * 2 * a.head_dim);
  }
}

TEST(CompressedLaw, OnlyLayersOfTheIndexedEntriesHaveAnIndexer) {
  for (const Model& m : compressed_models())
    for (int layer = 0; layer < m.layers + m.mtp_layers; ++layer) {
      const LayerAttention a = layer_shape(m, layer).attention;
      EXPECT_EQ(a.index == IndexUse::own, a.entry == m.attention.compressed->indexed) << m.name << " " << layer;
      EXPECT_EQ(a.window, 128) << m.name << " " << layer;
    }
}
}  // namespace
}  // namespace moesim::spec
