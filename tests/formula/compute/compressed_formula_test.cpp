// DeepSeek-V4's kernels on a machine whose times can be worked out in the head, and what they are asked to do for a
// batch.
#include <gtest/gtest.h>

#include <algorithm>

#include "compute/kernels/equations.h"
#include "compute/layers/index_kernels.h"
#include "compute/layers/memory.h"
#include "spec/catalogue.h"

namespace moesim::compute {
namespace {
Machine one_byte_a_second() {
  return {.sms = 2, .tensor_per_sm = 1e30, .hbm = 1, .hbm_per_sm = 1, .hbm_of_gpu = 1, .l2 = 13'199};
}

// Two tokens of 3 numbers in four streams: 24 numbers of two bytes in all streams, 6 in one.
TEST(StreamMix, MovesStreamsAndOneResult) {
  StateEquation e;
  e.launch = 5_s;
  const Machine on = one_byte_a_second();
  EXPECT_DOUBLE_EQ(streams_seconds({2, 3, 4, false}, e, on), 5 + 2 * (24 + 6));
  EXPECT_DOUBLE_EQ(streams_seconds({2, 3, 4, true}, e, on), 5 + 2 * (24 + 6 + 24));
  // Backward through the sum: the gradient of the input and the streams in, those of the streams out; through the
  // product of all streams: these in, and their gradient out.
  EXPECT_DOUBLE_EQ(streams_seconds({2, 3, 4, false, true}, e, on), 5 + 2 * (6 + 24 + 24 + 24 + 24));
  // The gradient of all streams in, of the result and the streams out; the same in again with result and streams.
  EXPECT_DOUBLE_EQ(streams_seconds({2, 3, 4, true, true}, e, on), 5 + 2 * (24 + 6 + 24 + 24 + 6 + 24));
}

TEST(SparseBackward, EveryPickIsWalkedByWholeUnitsOfHeads) {
  SparseEquation e;
  e.back_tensor = 1;
  const Machine on{.sms = 2, .tensor_per_sm = 1, .hbm = 1, .hbm_of_gpu = 1};
  const auto time = [&](int heads, double pairs) {
    const AttentionHeads h{spec::AttentionKind::compressed, heads, 1, 1, 1, true};
    return sparse_backward_seconds({h, {1, 10, 10, 10, pairs}, spec::Dtype::bf16, 4}, e, on);
  };
  // 10 queries of 64 heads, 4 picks, 5 products on two SMs; Q, O and their gradients of two bytes.
  EXPECT_DOUBLE_EQ(time(64, 40), 10 * 64 * 4 * 10 / 2.0 + 10 * 64 * 2 * 4);
  EXPECT_DOUBLE_EQ(time(64, 20), time(64, 40));  // what short contexts leave empty is masked
  EXPECT_DOUBLE_EQ(time(1, 40), 10 * 64 * 4 * 10 / 2.0 + 10 * 2 * 4);
}

TEST(IndexTopK, ARowOfEntriesIsSplitWhereSmsAreLeftOver) {
  SparseEquation e;
  e.top_launch = 1_s, e.top_row = 1_s, e.top_rate = 1e-9;
  const Machine on{.sms = 2, .tensor_per_sm = 1, .hbm = 1e30, .hbm_per_sm = 1e30, .hbm_of_gpu = 1e30};
  EXPECT_DOUBLE_EQ(top_k_seconds({4, 1, 10, 1, 10}, e, on), 1 + 1 + 10);
  EXPECT_DOUBLE_EQ(top_k_seconds({4, 1, 10, 1, 10, 4}, e, on), 1 + 1 + 10 / 2.0);
  EXPECT_DOUBLE_EQ(top_k_seconds({4, 2, 10, 2, 20, 4}, e, on), 1 + 1 + 10);
  Machine fast = on;
  fast.clock = 2;
  EXPECT_DOUBLE_EQ(top_k_seconds({4, 1, 10, 1, 10}, e, fast), 1 + 1 + 10 / 2.0);
}

// 100 keys of 128 bytes with a scale of 4 are 13,200 bytes, one more than the cache holds.
TEST(IndexScores, PagesOfEntriesAreReadForEachQueryWhereTheyDoNotStay) {
  SparseEquation e;
  const IndexScores all{64, 128, {1, 2, 100, 100, 200}, true, 4};
  Machine on = one_byte_a_second();
  const double read = scores_seconds(all, e, on);
  on.l2 = 13'200;
  EXPECT_NEAR(read - scores_seconds(all, e, on), 13'200, 0.1);
  IndexScores keys = all;  // as DSA's kernel does, which queries share
  keys.entry = 1;
  on.l2 = 0;
  EXPECT_NEAR(read - scores_seconds(keys, e, on), 13'200, 0.1);
}

TEST(EntryWork, IsAWindowAndEntries) {
  const spec::Model m = spec::load_model("deepseek-v4-flash");
  Batch batch;
  add_decode(batch, m, 128 * 1024 - 1, 1, 3);
  const AttentionWork alone = entry_work(batch, true, {128, 0, 0}), picked = entry_work(batch, true, {128, 4, 512}),
                      all = entry_work(batch, true, {128, 128, 0});
  EXPECT_EQ(alone.keys, 3 * 128);
  EXPECT_EQ(alone.pairs, 3 * 128);
  EXPECT_EQ(picked.keys, 3 * (128 + 512));
  EXPECT_EQ(picked.pairs, 3 * (128 + 512));
  EXPECT_EQ(all.keys, 3 * (128 + 1024));
  EXPECT_EQ(all.longest, 128 + 1024);
  // 256 tokens of a prompt: the first 128 see 64 before them on average, as squares count, the others 128.
  Batch prompt;
  add_prefill(prompt, m, 256);
  EXPECT_EQ(entry_work(prompt, false, {128, 0, 0}).pairs, 128 * 64 + 128 * 128);
  EXPECT_EQ(entry_work(prompt, false, {128, 128, 0}).pairs, 128 * 64 + 128 * 128 + 256.0 * 256 / 2 / 128);
  EXPECT_EQ(entry_work(prompt, false, {128, 4, 512}).pairs, 128 * 64 + 128 * 128 + 256.0 * 256 / 2 / 4);
}

// V4-Flash in decode, 4 tokens: 64 heads of 512 on 1,024 columns, in the middle of the layers; hyper-connections twice.
TEST(CompressedInventory, ALayerReadsStreamsTwiceAndWritesThemTwice) {
  const spec::Model m = spec::load_model("deepseek-v4-flash");
  Batch batch;
  add_decode(batch, m, 4095, 1, 4);
  const std::vector<std::int64_t> rows(256, 1);
  std::vector<Operation> operations;
  for (const LayerPart part : parts_of(m, 2)) append_operations(operations, m, 2, part, Pass::forward, batch, rows, {});
  const auto count = [&](std::string_view name) {
    return std::ranges::count_if(operations, [&](const Operation& o) { return o.name == name; });
  };
  EXPECT_EQ(count("streams in"), 2);
  EXPECT_EQ(count("streams out"), 2);
  EXPECT_EQ(count("residual"), 0);
  EXPECT_EQ(count("index scores"), 1);
  const auto attention = std::ranges::find(operations, "attention decode", &Operation::name);
  EXPECT_EQ(attention->flops.v, 4 * (2.0 * 64 * 1024 * (128 + 512) + 2 * 64));  // two for each sink
  const auto streams = std::ranges::find(operations, "streams in", &Operation::name);
  EXPECT_EQ(streams->flops.v, 4 * 2.0 * (24 * 4 * 4096 + 24 + 3));
  EXPECT_EQ(std::get<StreamMix>(streams->kernel), (StreamMix{4, 4096, 4, false, false}));
  const auto out = std::ranges::find(operations, "streams out", &Operation::name);
  EXPECT_EQ(std::get<StreamMix>(out->kernel), (StreamMix{4, 4096, 4, true, false}));
}

// FP8: a token of the window or an entry is 584 bytes; BF16: 1,024.
TEST(CompressedInventory, AnEntryTakes584Bytes) {
  const AttentionHeads heads{spec::AttentionKind::compressed, 64, 1, 512, 512, true, 64};
  EXPECT_EQ(cached_token_bytes(heads, spec::Dtype::fp8), Bytes{584});
  EXPECT_EQ(cached_token_bytes(heads, spec::Dtype::bf16), Bytes{1024});
}

// 21 layers keep a key of 128 for four tokens: 68 bytes in FP4, 132 in FP8.
TEST(EntryCache, AnIndexersKeysAreWiderWhereAGpuHasNoFp4) {
  const spec::Model m = spec::load_model("deepseek-v4-flash");
  HeldLayers held;
  for (int layer = 0; layer < m.layers; ++layer) held.layers.push_back(layer);
  LayerOptions options;
  const Bytes narrow = kv_bytes_per_token(m, held, options);
  options.precision.entry_keys = spec::EntryKeys::fp8;
  EXPECT_EQ(kv_bytes_per_token(m, held, options) - narrow, Bytes{21 * (132 - 68) / 4});
}
}  // namespace
}  // namespace moesim::compute
