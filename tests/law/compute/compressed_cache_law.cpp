// What decoding reads of DeepSeek-V4's cache is what its layers look back on, to the last entry.
#include <gtest/gtest.h>

#include "common/published_models.h"
#include "compute/layers/index_kernels.h"
#include "core/random.h"
#include "spec/count.h"

namespace moesim::compute {
namespace {
TEST(CompressedCacheLaw, DecodingReadsAWindowAndEntries) {
  constexpr std::int64_t kLength = 128 * 64;
  for (const spec::Model& model : test::published_models()) {
    if (!model.attention.compressed) continue;
    Batch batch;
    add_decode(batch, model, kLength - 1, 1, 3);
    for (int layer = 0; layer < model.layers; ++layer) {
      const spec::LayerAttention a = spec::layer_shape(model, layer).attention;
      std::vector<Operation> operations;
      append_operations(operations, model, layer, LayerPart::attention, Pass::forward, batch, {}, {});
      std::int64_t attended = 0, scored = 0;
      for (const Operation& o : operations) {
        if (const auto* d = std::get_if<AttentionDecode>(&o.kernel)) attended += d->work.keys;
        if (const auto* x = std::get_if<IndexScores>(&o.kernel)) scored += x->work.keys;
      }
      const std::int64_t entries = a.entry > 0 ? kLength / a.entry : 0;
      const bool indexed = a.index == spec::IndexUse::own;
      const std::int64_t read = indexed ? std::min<std::int64_t>(entries, model.attention.indexer->top_k) : entries;
      EXPECT_EQ(attended, 3 * (a.window + read)) << model.name << " " << layer;
      EXPECT_EQ(scored, indexed ? 3 * entries : 0) << model.name << " " << layer;
    }
  }
}

// A kernel of one batch, asked about another, is that batch's own.
TEST(CompressedCacheLaw, KernelsForAnotherBatchAreThatBatchs) {
  Random random(11, "contexts");
  const spec::Model model = spec::load_model("deepseek-v4-flash");
  for (int round = 0; round < 20; ++round) {
    const std::int64_t sequences = 1 + std::int64_t(random.below(64));
    Batch one, other;
    add_decode(one, model, std::int64_t(random.below(300'000)), 1, sequences);
    add_decode(other, model, std::int64_t(random.below(300'000)), 1, sequences);
    for (const int layer : {0, 2, 3}) {
      std::vector<Operation> a, b;
      append_operations(a, model, layer, LayerPart::attention, Pass::forward, one, {}, {});
      append_operations(b, model, layer, LayerPart::attention, Pass::forward, other, {}, {});
      ASSERT_EQ(a.size(), b.size());
      for (std::size_t i = 0; i < a.size(); ++i) {
        if (!reads_cache(a[i].kernel)) continue;
        EXPECT_EQ(describe(for_batch(a[i].kernel, other, true)), describe(b[i].kernel));
        EXPECT_EQ(bytes_of(for_batch(a[i].kernel, other, true)), bytes_of(b[i].kernel));
      }
    }
  }
}

// Reading more, or one more sequence, is never less work.
TEST(CompressedCacheLaw, WorkGrowsWithContextAndSequences) {
  const spec::Model model = spec::load_model("deepseek-v4-flash");
  for (const EntryReach& reach : {EntryReach{128, 0, 0}, EntryReach{128, 4, 512}, EntryReach{128, 128, 0}}) {
    double last = 0;
    for (std::int64_t context = 1; context < 2'000'000; context *= 3) {
      Batch batch;
      add_prefill(batch, model, 4096, context);
      const AttentionWork w = entry_work(batch, false, reach);
      EXPECT_GE(w.pairs, last);
      EXPECT_LE(w.pairs, 4096.0 * double(context + 4096));
      EXPECT_GE(double(w.keys), 4096);
      last = w.pairs;
    }
  }
}
}  // namespace
}  // namespace moesim::compute
