// Block-sparse GQA: kernels on unit hardware, and the layers of MiniMax-M3, worked out in the head.
#include <gtest/gtest.h>

#include <algorithm>

#include "compute/kernels/equations.h"
#include "compute/layers/memory.h"
#include "spec/catalogue.h"
#include "spec/count.h"

namespace moesim::compute {
namespace {
TEST(BlockScores, KeysAreReadAndTheBestOfEachBlockIsWritten) {
  // 10 queries of 2 heads of 4 against 100 keys, 800 pairs in blocks of 16: 50 scores a head in and out.
  const IndexScores x{2, 4, {1, 10, 100, 100, 800}, true, 1, 16};
  EXPECT_EQ(bytes_of(Kernel{x}), Bytes{(10 * 2 + 100) * 4 * 2 + 8 * 2 * 50});
  EXPECT_EQ(flops_of(Kernel{x}), Flops{2.0 * 2 * 4 * 800});
  EXPECT_EQ(x.dtype(), spec::Dtype::bf16);
  EXPECT_EQ((IndexScores{2, 4, {1, 10, 100, 100, 800}, true}.dtype()), spec::Dtype::fp8);
}

TEST(BlockAttention, HeadsOfEachKvHeadFillWholeUnits) {
  SparseEquation e;
  e.attend_heads = 16;
  const Machine on{.sms = 2, .tensor_per_sm = 1, .hbm = 1e30, .hbm_of_gpu = 1e30};
  const AttentionWork all{1, 128, 128, 128, 128.0 * 2};  // two picks each
  const auto time = [&](int heads, int kv_heads) {
    const AttentionHeads h{spec::AttentionKind::block_sparse, heads, kv_heads, 1, 1, false};
    return sparse_seconds({h, all, 2, spec::Dtype::bf16}, e, on);
  };
  // 128 queries on two SMs; 16 heads are a quarter of a unit of 64: 2 x 16 x 2 picks x 2 columns a query.
  EXPECT_DOUBLE_EQ(time(16, 1), 64 * 2 * 16 * 2 * 2.0);
  EXPECT_DOUBLE_EQ(time(1, 1), time(16, 1));
  EXPECT_DOUBLE_EQ(time(4, 4), 4 * time(1, 1));  // each KV head's own sixteen rows
  EXPECT_DOUBLE_EQ(time(64, 4), 4 * time(16, 1));
}

std::vector<Operation> layer_of(const spec::Model& m, int layer, const Batch& batch) {
  std::vector<Operation> out;
  append_operations(out, m, layer, LayerPart::attention, Pass::forward, batch, {}, {});
  return out;
}
template <class K>
K kernel_of(const std::vector<Operation>& operations) {
  for (const Operation& o : operations)
    if (const auto* k = std::get_if<K>(&o.kernel)) return *k;
  ADD_FAILURE() << "no such kernel";
  return {};
}

TEST(BlockAttention, ALayerScoresEveryKeyAndReadsItsPicks) {
  const spec::Model m3 = spec::load_model("minimax-m3");
  Batch batch;
  add_decode(batch, m3, 9999);
  const std::vector<Operation> ops = layer_of(m3, 3, batch);
  const auto scores = kernel_of<IndexScores>(ops);
  EXPECT_EQ(scores.heads, 4);
  EXPECT_EQ(scores.block, 128);
  EXPECT_EQ(scores.work.keys, 10'000);
  const auto attends = kernel_of<AttentionDecode>(ops);
  EXPECT_EQ(attends.picks, 2048);
  EXPECT_EQ(attends.work.keys, 2048);
  EXPECT_EQ(attends.heads.kind, spec::AttentionKind::block_sparse);
  // The first three layers attend to every key, by the kernels of other models.
  const auto dense = kernel_of<AttentionDecode>(layer_of(m3, 0, batch));
  EXPECT_EQ(dense.work.keys, 10'000);
  EXPECT_EQ(dense.picks, 0);
  EXPECT_EQ(dense.heads.kind, spec::AttentionKind::gqa);
}

TEST(BlockAttention, TheIndexersHeadsGoWithKvHeads) {
  const spec::Model m3 = spec::load_model("minimax-m3");
  Batch batch;
  add_decode(batch, m3, 9999);
  for (const auto& [tensor, heads] : {std::pair(1, 4), std::pair(2, 2), std::pair(4, 1), std::pair(8, 1)}) {
    LayerOptions options;
    options.tensor = tensor;
    std::vector<Operation> ops;
    append_operations(ops, m3, 3, LayerPart::attention, Pass::forward, batch, {}, options);
    EXPECT_EQ(kernel_of<IndexScores>(ops).heads, heads);
    // Queries, keys and values, and the indexer's: its key on every GPU.
    const auto product = std::get<Gemm>(std::ranges::find(ops, "qkv, index", &Operation::name)->kernel);
    EXPECT_EQ(product.n, 8192 / tensor + 2 * 128 * std::max(1, 4 / tensor) + (heads + 1) * 128);
  }
}

TEST(BlockAttention, ALayersOperationsAreTheCatalogues) {
  const spec::Model m3 = spec::load_model("minimax-m3");
  Batch batch;
  add_decode(batch, m3, 9999);
  double useful = 0;
  for (const Operation& o : layer_of(m3, 3, batch)) useful += o.useful.v;
  const double parameters =
      double(spec::attention_parameters(m3, spec::AttentionKind::gqa) + spec::indexer_parameters(m3)) + 6144;
  EXPECT_DOUBLE_EQ(useful, 2 * parameters + 2 * 4 * 128 * 10'000.0 + 2 * 64 * 256 * 2048.0);
}
}  // namespace
}  // namespace moesim::compute
