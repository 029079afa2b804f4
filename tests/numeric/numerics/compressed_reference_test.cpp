// DeepSeek-V4's forward pass against one written down from its description (naive_v4.h), over random weights; and
// checkpoints that do not fit their configuration.
#include <gtest/gtest.h>

#include "numeric/numerics/naive_v4.h"
#include "numerics/compressed/compressed_pass.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::numerics {
namespace {
CompressedShape micro(std::vector<int> ratios) {
  CompressedShape s;
  s.name = "micro";
  s.vocabulary = 32, s.hidden = 12, s.layers = int(ratios.size()), s.streams = 3, s.positions = 64;
  s.heads = 4, s.head_dim = 8, s.rope_dims = 4, s.query_rank = 6, s.groups = 2, s.group_rank = 5, s.window = 5;
  s.index_heads = 3, s.index_dim = 6, s.index_picks = 2, s.ratios = std::move(ratios), s.hashed_layers = 1;
  s.experts = 6, s.top_k = 2, s.expert_width = 7, s.shared_width = 7;
  s.gate_scale = 1.5, s.swiglu_limit = 0.4, s.norm_epsilon = 1e-6, s.stream_epsilon = 1e-6, s.sinkhorn_rounds = 4;
  s.rope.theta = 10000, s.rope.scaling = "yarn", s.rope.factor = 8, s.rope.original_positions = 16;
  s.compressed_theta = 40000;
  return s;
}
std::vector<int> tokens_of(std::uint64_t seed, int count) {
  std::vector<int> out;
  for (int i = 0; i < count; ++i) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    out.push_back(int((seed >> 33) % 32));
  }
  return out;
}

void expect_like_naive(const CompressedShape& shape, std::uint64_t seed) {
  const TemporaryFolder folder;
  const DrawnV4 drawn(shape, seed);
  drawn.write(folder.file("model.safetensors"));
  const CompressedTensors tensors(shape, folder.path().string());
  const std::vector<int> tokens = tokens_of(seed, 30);
  NaiveV4 naive(shape, drawn);
  naive.run(tokens);
  CompressedForward forward(shape, tensors, 2);
  for (const std::vector<int>& calls :
       {std::vector<int>{30}, {11, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {2, 7, 13, 8}}) {
    CompressedCache cache = forward.new_cache();
    int row = 0;
    const CompressedObserver observe{
        [&](int layer, const Routing& r) {
          for (int t = 0; t < r.tokens; ++t) {
            const auto first = r.experts.begin() + std::int64_t(t) * r.top_k;
            EXPECT_EQ(std::vector<int>(first, first + r.top_k), naive.experts.at(layer).at(std::size_t(row + t)));
          }
        },
        [&](int layer, const std::vector<std::vector<int>>& picks) {
          EXPECT_FALSE(picks.empty()) << "layer " << layer << " has no indexer";
          for (std::size_t t = 0; t < picks.size(); ++t)
            EXPECT_EQ(picks[t], naive.picks.at(layer).at(std::size_t(row) + t)) << "seed " << seed << " token " << row;
        }};
    for (const int count : calls) {
      const Matrix logits = forward.logits(
          forward.run(std::span(tokens).subspan(std::size_t(row), std::size_t(count)), cache, observe).view());
      for (int t = 0; t < count; ++t)
        for (int v = 0; v < logits.columns; ++v)
          ASSERT_NEAR(logits.row(t)[v], naive.logits[std::size_t(row + t)][std::size_t(v)], 1e-4)
              << "token " << row + t;
      row += count;
    }
    EXPECT_EQ(row, 30);
  }
}

TEST(CompressedReference, AgreesWithTheDescriptionWhateverTheCalls) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed)
    for (const std::vector<int>& ratios : {std::vector<int>{0, 0}, {4, 4}, {0, 4, 6, 4}, {16, 0}})
      expect_like_naive(micro(ratios), seed);
}

TEST(RejectCompressed, TokensBeyondThePositionsCountThoseThatWereSeen) {
  CompressedShape shape = micro({0, 4});
  shape.positions = 8;
  const TemporaryFolder folder;
  DrawnV4(shape, 1).write(folder.file("model.safetensors"));
  const CompressedTensors tensors(shape, folder.path().string());
  CompressedForward forward(shape, tensors, 1);
  CompressedCache cache = forward.new_cache();
  const std::vector<int> tokens(9, 1);
  const auto refusal = [&](std::size_t count) {
    return test::refusal_of([&] { (void)forward.run(std::span(tokens).first(count), cache); });
  };
  EXPECT_EQ(refusal(9), "9 tokens are beyond the 8 positions of micro");
  EXPECT_EQ(refusal(5), "accepted");
  EXPECT_EQ(refusal(4), "9 tokens are beyond the 8 positions of micro");
  EXPECT_EQ(refusal(3), "accepted");
}

TEST(RejectCompressed, CheckpointsThatDoNotFit) {
  const CompressedShape shape = micro({0, 4});
  const TemporaryFolder folder;
  const DrawnV4 drawn(shape, 1);
  const std::string path = folder.path().string(), file = folder.file("model.safetensors");
  const auto refusal = [&](const CompressedShape& s) {
    return test::refusal_of([&] { const CompressedTensors tensors(s, path); });
  };
  drawn.write_without(file, "layers.1.attn.indexer.wq_b.weight");
  EXPECT_EQ(refusal(shape),
            path + ": tensor layers.1.attn.indexer.wq_b.weight is missing; micro needs it with shape [18, 6]");
  drawn.write(file);
  EXPECT_EQ(refusal(shape), "accepted");
  CompressedShape other = shape;
  other.window = 9;  // of no tensor
  EXPECT_EQ(refusal(other), "accepted");
  other.index_dim = 8;
  EXPECT_EQ(refusal(other), file +
                                ": tensor layers.1.attn.indexer.wq_b.weight: has shape [18, 6], but the model's "
                                "configuration says [24, 6]");
  other = micro({0, 0});
  EXPECT_NE(refusal(other).find("has no place in the model (2 layers, 6 experts)"), std::string::npos);
  other = shape;
  other.hashed_layers = 0;
  EXPECT_NE(refusal(other).find("layers.0.ffn.gate.bias is missing"), std::string::npos);
}
}  // namespace
}  // namespace moesim::numerics
