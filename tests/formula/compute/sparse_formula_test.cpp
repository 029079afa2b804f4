// DSA's kernels on a machine whose times can be worked out in the head, and what they are asked to do for a batch.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "compute/kernels/equations.h"
#include "compute/layers/index_kernels.h"
#include "spec/catalogue.h"

namespace moesim::compute {
namespace {
Machine two_sms(double tensor_per_sm) {
  return {.sms = 2, .tensor_per_sm = tensor_per_sm, .hbm = 1e30, .hbm_per_sm = 1e30, .hbm_of_gpu = 1e30};
}
AttentionWork prompt(std::int64_t tokens, std::int64_t context = 0) {
  Batch batch;
  add_prefill(batch, spec::KeysRead{}, tokens, context);
  return batch.prefill;
}

// 32 heads: four queries a tile of 128 rows.  An SM needs a second for a tile and a key of one column.
TEST(IndexScores, TilesOfQueriesWalkTheKeysBeforeThem) {
  SparseEquation e;
  e.scores_tile = 1_s, e.scores_launch = 2_s;
  const Machine on = two_sms(2.0 * 128);
  // 8 tokens: two tiles, of 2 + 2 and 6 + 2 keys with what is masked: the second alone takes 1 + 8 s.
  EXPECT_DOUBLE_EQ(scores_seconds(IndexScores{32, 1, prompt(8)}, e, on), 2 + 9);
  // 64 tokens after 1000: 16 tiles of 1034 keys on average, on two SMs.
  EXPECT_DOUBLE_EQ(scores_seconds(IndexScores{32, 1, prompt(64, 1000)}, e, on), 2 + 8 * (1 + 1034.0));
}

// One token each of two sequences shares a tile, which walks the keys of both.
TEST(IndexScores, ShortSequencesShareATile) {
  SparseEquation e;
  Batch batch;
  add_prefill(batch, spec::KeysRead{}, 1, 999, 2);
  EXPECT_DOUBLE_EQ(scores_seconds(IndexScores{32, 1, batch.prefill}, e, two_sms(2.0 * 128)), 2000);
}

// Against a cache 64 rows are one token of 64 heads, or of 32 and as many empty ones.
TEST(IndexScores, PagesAreDealtOutEvenly) {
  SparseEquation e;
  e.paged_launch = 3_s;
  Batch batch;
  add_decode(batch, spec::Model{}, 99, 1, 4);
  EXPECT_DOUBLE_EQ(scores_seconds(IndexScores{64, 1, batch.decode, true}, e, two_sms(2.0 * 64)), 3 + 400 / 2);
  EXPECT_DOUBLE_EQ(scores_seconds(IndexScores{32, 1, batch.decode, true}, e, two_sms(2.0 * 64)), 3 + 400 / 2);
}

TEST(IndexTopK, ARowIsOneSmsToWalk) {
  SparseEquation e;
  e.top_launch = 1_s, e.top_row = 1_s, e.top_short = Time{250'000'000'000}, e.top_rate = 1e-9;
  const Machine on = two_sms(1);
  EXPECT_DOUBLE_EQ(top_k_seconds({4, 4, 10, 4, 40}, e, on), 1 + (4 * 1 + 40) / 2.0);
  EXPECT_DOUBLE_EQ(top_k_seconds({4, 1, 10, 1, 10}, e, on), 1 + 1 + 10);
  EXPECT_DOUBLE_EQ(top_k_seconds({4, 8, 4, 0, 0}, e, on), 1 + 8 * 0.25 / 2);
}

// A unit of 64 heads takes a second; fewer heads take as long, and a context that leaves half of the picks empty three
// quarters where an empty pick costs half.
TEST(SparsePrefill, HeadsArePaddedAndPicksWalkedWhole) {
  SparseEquation e;
  e.attend_launch = 2_s, e.attend_tile = Time{500'000'000'000};
  const auto time = [&](int heads, double pairs) {
    AttentionWork work = prompt(4, 100);
    work.pairs = pairs;
    const AttentionHeads h{spec::AttentionKind::mla, heads, 1, 6, 2, true};
    return sparse_seconds(SparsePrefill{h, work, 4}, e, two_sms(2.0 * 64 * 4 * 8));
  };
  EXPECT_DOUBLE_EQ(time(64, 16), 2 + 2 + 2 * 0.5);
  EXPECT_DOUBLE_EQ(time(8, 16), time(64, 16)) << "tensor parallelism does not shorten it";
  EXPECT_DOUBLE_EQ(time(128, 16), 2 + 4 + 4 * 0.5);
  e.attend_heads = 128;
  EXPECT_DOUBLE_EQ(time(64, 16), 2 + 4 + 4 * 0.5) << "where 128 are computed at a time";
  e.attend_heads = 64, e.attend_empty = 0.5;
  EXPECT_DOUBLE_EQ(time(64, 8), 2 + 2 * 0.75 + 2 * 0.5);
}

// 4 of 10 keys picked: queries 5 to 10 have more than that; halves of squares, as everywhere.
TEST(IndexTopK, CountsTheRowsThatHaveAChoice) {
  Batch batch;
  const spec::KeysRead picks{spec::KeysRead::Span::picked, 4};
  add_prefill(batch, picks, 10);
  const IndexTopK some = index_top_k(4, batch.prefill, batch.window_prefill, false);
  EXPECT_DOUBLE_EQ(some.ranked, 6);
  EXPECT_DOUBLE_EQ(some.scores, 50 - 8);
  Batch all;
  add_prefill(all, picks, 10, 20, 3);
  EXPECT_DOUBLE_EQ(index_top_k(4, all.prefill, all.window_prefill, false).ranked, 30);
  Batch none;
  add_prefill(none, picks, 3, 1);
  EXPECT_DOUBLE_EQ(index_top_k(4, none.prefill, none.window_prefill, false).ranked, 0);
}

// V3.2, 8 heads here: 128 K tokens scored by 64 heads of 128, 2048 attended to in 576 + 512 columns.
TEST(SparseAttention, ADecodingLayersWorkIsTheClosedForms) {
  const spec::Model m = spec::load_model("deepseek-v3.2");
  Batch batch;
  add_decode(batch, m, 131071, 1, 2);
  LayerOptions options;
  options.tensor = 16;
  std::vector<Operation> operations;
  append_operations(operations, m, 5, LayerPart::attention, Pass::forward, batch, {}, options);
  std::map<std::string, Operation> by_name;
  for (const Operation& o : operations) by_name.emplace(o.name, o);
  EXPECT_EQ(by_name.at("index scores").flops.v, 2.0 * 2 * 131072 * 64 * 128);
  EXPECT_EQ(by_name.at("attention decode").flops.v, 2.0 * 2 * 2048 * 8 * (576 + 512));
  const std::int64_t keys = std::get<AttentionDecode>(by_name.at("attention decode").kernel).work.keys;
  EXPECT_EQ(keys, 2 * 2048);
  // Every GPU of the tensor-parallel group scores for all of it.
  EXPECT_EQ(std::get<Gemm>(by_name.at("index q").kernel).n, 64 * 128);
  EXPECT_EQ(std::get<IndexTopK>(by_name.at("index top-k").kernel).scores, 2 * 131072);
}

// What a serving step asks for again and again: the kernels of one batch, made those of another with as many tokens.
TEST(SparseAttention, DecodingKernelsOfAnotherBatchAreThoseItWouldHave) {
  for (const char* name : {"deepseek-v3.2", "glm-5.2", "deepseek-v3", "gemma-3-27b"}) {
    const spec::Model m = spec::load_model(name);
    Batch short_ones, long_ones;
    add_decode(short_ones, m, 700, 1, 9);
    add_decode(long_ones, m, 1500, 1, 4), add_decode(long_ones, m, 40000, 1, 5);
    for (const int layer : {6, 7}) {
      std::vector<Operation> a, b;
      append_operations(a, m, layer, LayerPart::attention, Pass::forward, short_ones, {}, {});
      append_operations(b, m, layer, LayerPart::attention, Pass::forward, long_ones, {}, {});
      ASSERT_EQ(a.size(), b.size());
      const bool bounded = spec::layer_shape(m, layer).attention.reads.bounded();
      for (std::size_t i = 0; i < a.size(); ++i) {
        const bool same = reads_cache(a[i].kernel) == reads_cache(b[i].kernel);
        ASSERT_TRUE(same) << a[i].name;
        const Kernel made = reads_cache(a[i].kernel) ? for_batch(a[i].kernel, long_ones, bounded) : a[i].kernel;
        EXPECT_EQ(describe(made), describe(b[i].kernel)) << name << ": " << a[i].name;
        EXPECT_EQ(bytes_of(made), bytes_of(b[i].kernel)) << name << ": " << a[i].name;
        EXPECT_EQ(flops_of(made), flops_of(b[i].kernel)) << name << ": " << a[i].name;
      }
    }
  }
}

TEST(SparseAttention, LayersThatShareHaveNoIndexer) {
  const spec::Model m = spec::load_model("glm-5.2");
  Batch batch;
  add_prefill(batch, m, 4096, 4096);
  const auto names = [&](int layer) {
    std::vector<Operation> operations;
    append_operations(operations, m, layer, LayerPart::attention, Pass::forward, batch, {}, {});
    std::string out;
    for (const Operation& o : operations) out += std::string(o.name) + ", ";
    return out;
  };
  EXPECT_NE(names(6).find("index scores, index top-k, absorb q, attention, v up"), std::string::npos) << names(6);
  EXPECT_EQ(names(7).find("index"), std::string::npos) << names(7);
}
}  // namespace
}  // namespace moesim::compute
