// DSA's forward pass against one written down from the formulas (naive_dsa.h), over random weights and tokens.
#include <gtest/gtest.h>

#include "numeric/numerics/naive_dsa.h"
#include "numeric/numerics/test_models.h"
#include "numerics/pass/forward.h"
#include "numerics/weights/checkpoint.h"
#include "numerics/weights/export.h"
#include "spec/catalogue.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::numerics {
namespace {
/// v3_micro with an indexer; without groups of experts, which naive_dsa.h leaves out.
spec::Model sparse_micro(bool interleaved, std::vector<int> shared_layers) {
  spec::Model m = v3_micro();
  m.layers = 4;
  m.architecture = spec::Architecture::deepseek_v32;
  m.attention.kind = spec::AttentionKind::dsa;
  m.attention.indexer = spec::IndexerShape{3, 6, 5, interleaved, std::move(shared_layers)};
  m.moe->groups = m.moe->groups_used = 1;
  return m;
}

std::vector<int> tokens_of(std::uint64_t seed, int count, int vocabulary) {
  std::vector<int> out;
  for (int i = 0; i < count; ++i) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    out.push_back(int((seed >> 33) % std::uint64_t(vocabulary)));
  }
  return out;
}

void expect_like_naive(const spec::Model& model, std::uint64_t seed, const std::vector<int>& calls, MlaForm form) {
  DrawnWeights weights(seed);
  const std::vector<int> tokens = tokens_of(seed, 20, model.vocabulary);
  NaiveDsa naive(model, weights);
  naive.run(tokens);
  int row = 0;
  std::map<int, int> picked;
  Forward forward(model, weights,
                  {.threads = 2, .mla = form, .picks = [&](int layer, std::span<const Segment> segments) {
                     const IndexPicks& picks = segments.front().cache->picks;
                     for (int r = 0; r < picks.rows(); ++r) {
                       const std::vector<int> got(picks.row(r).begin(), picks.row(r).end());
                       EXPECT_EQ(got, naive.picks.at(layer).at(std::size_t(row + r)))
                           << "seed " << seed << " layer " << layer << " token " << row + r;
                       ++picked[layer];
                     }
                   }});
  KvCache cache = forward.new_cache();
  for (const int count : calls) {
    const Segment segment{&cache, 0, count};
    const Matrix hidden = forward.run(std::span(tokens).subspan(std::size_t(row), std::size_t(count)), {&segment, 1},
                                      [&](int layer, const Routing& r) {
                                        for (int t = 0; t < r.tokens; ++t) {
                                          const auto first = r.experts.begin() + std::int64_t(t) * r.top_k;
                                          EXPECT_EQ(std::vector<int>(first, first + r.top_k),
                                                    naive.experts.at(layer).at(std::size_t(row + t)));
                                        }
                                      });
    const Matrix logits = forward.logits(hidden.view());
    for (int t = 0; t < count; ++t)
      for (int v = 0; v < logits.columns; ++v)
        ASSERT_NEAR(logits.row(t)[v], naive.logits[std::size_t(row + t)][std::size_t(v)], 1e-4);
    row += count;
  }
  EXPECT_EQ(picked.size(), naive.picks.size());
  for (const auto& [layer, rows] : picked) EXPECT_EQ(rows, row) << "layer " << layer;
}

TEST(SparseAttention, AgreesWithTheFormulasWhateverTheCallsAndTheForm) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed)
    for (const spec::Model& model : {sparse_micro(false, {}), sparse_micro(true, {}), sparse_micro(true, {1, 3})}) {
      expect_like_naive(model, seed, {20}, MlaForm::expanded);
      expect_like_naive(model, seed, {9, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, MlaForm::automatic);
      expect_like_naive(model, seed, {3, 12, 5}, MlaForm::absorbed);
    }
}

TEST(SparseAttention, AnIndexerThatMayPickEveryKeyIsPlainMla) {
  spec::Model sparse = sparse_micro(false, {}), plain = sparse;
  sparse.attention.indexer->top_k = 20;
  plain.attention.kind = spec::AttentionKind::mla;
  plain.attention.indexer.reset();
  DrawnWeights weights(7);
  const std::vector<int> tokens = tokens_of(3, 20, sparse.vocabulary);
  Matrix logits[2];
  int i = 0;
  for (const spec::Model* model : {&sparse, &plain}) {
    Forward forward(*model, weights, {.threads = 1});
    KvCache cache = forward.new_cache();
    const Segment segment{&cache, 0, 20};
    logits[i++] = forward.logits(forward.run(tokens, {&segment, 1}).view());
  }
  for (std::size_t v = 0; v < logits[0].values.size(); ++v) EXPECT_NEAR(logits[0].values[v], logits[1].values[v], 1e-5);
}

// Two sequences in one pass are as each alone.
TEST(SparseAttention, SequencesOfOnePassDoNotSeeEachOther) {
  const spec::Model model = sparse_micro(true, {2});
  DrawnWeights weights(11);
  const std::vector<int> tokens = tokens_of(5, 24, model.vocabulary);
  Forward forward(model, weights, {.threads = 2});
  KvCache a = forward.new_cache(), b = forward.new_cache(), alone = forward.new_cache();
  const std::vector<Segment> both{{&a, 0, 10}, {&b, 10, 14}};
  const Matrix together = forward.logits(forward.run(tokens, both).view());
  const Segment one{&alone, 0, 14};
  const Matrix apart = forward.logits(forward.run(std::span(tokens).subspan(10), {&one, 1}).view());
  for (int t = 0; t < 14; ++t)
    for (int v = 0; v < apart.columns; ++v) EXPECT_NEAR(together.row(10 + t)[v], apart.row(t)[v], 1e-5);
}

// What config.json says of the indexers must be what the tensors are.
TEST(RejectSparseAttention, CheckpointsWhoseIndexersAreOthers) {
  const spec::Model model = sparse_micro(false, {2});
  DrawnWeights weights(1);
  const TemporaryFolder folder;
  const std::string path = folder.file("written");
  export_checkpoint(model, weights, path);
  const auto refusal = [&](const spec::Model& other) {
    return test::refusal_of([&] { const Checkpoint checkpoint(other, path); });
  };
  EXPECT_EQ(refusal(model), "accepted");
  EXPECT_EQ(refusal(sparse_micro(false, {})), path +
                                                  ": tensor model.layers.2.self_attn.indexer.wq_b.weight is missing; "
                                                  "v3_micro needs it with shape [18, 24]");
  EXPECT_NE(refusal(sparse_micro(false, {1, 2})).find("tensor model.layers.1.self_attn.indexer."), std::string::npos);
  spec::Model wide = model;
  wide.attention.indexer->head_dim = 8;
  EXPECT_NE(
      refusal(wide).find("tensor model.layers.0.self_attn.indexer.wq_b.weight: has shape [18, 24], but the model's "
                         "configuration says [24, 24]"),
      std::string::npos);
  EXPECT_EQ(spec::load_model(path).attention.indexer->shared_layers, std::vector<int>{2});
}

TEST(SparseAttention, SyntheticModelsHaveIndexers) {
  const spec::Model model = sparse_micro(false, {2});
  for (int layer = 0; layer < model.layers; ++layer) {
    const auto parts = layer_parts(model, layer);
    const auto indexer = std::ranges::count_if(parts, [](const PartShape& p) { return p.part >= Part::index_query; });
    EXPECT_EQ(indexer, layer == 2 ? 0 : 5) << "layer " << layer;
  }
}
}  // namespace
}  // namespace moesim::numerics
