// The parts of prompts do the work of the whole, no more and no less, and as much each.
#include "compute/layers/prompt_parts.h"

#include <gtest/gtest.h>

#include "compute/layers/index_kernels.h"
#include "core/random.h"
#include "support/rounds.h"

namespace moesim::compute::parts {
namespace {
spec::KeysRead drawn_window(Random& random) {
  using enum spec::KeysRead::Span;
  const std::int64_t width = 1 + std::int64_t(random.below(500));
  const spec::KeysRead any[] = {{}, {sliding, width}, {chunk, width}, {picked, width}};
  return any[random.below(4)];
}

TEST(PromptParts, SumUpToTheWhole) {
  Random random(3, "prompt parts");
  for (int round = 0; round < test::rounds(300); ++round) {
    const spec::KeysRead window = drawn_window(random);
    const int of = 2 + int(random.below(7));
    Batch whole;
    for (std::uint64_t n = 1 + random.below(4); n > 0; --n)
      add_prefill(whole, window, 1 + std::int64_t(random.below(5000)), std::int64_t(random.below(5000)),
                  1 + std::int64_t(random.below(3)));
    std::int64_t tokens = 0, windowed = 0, least = whole.tokens, most = 0;
    double pairs = 0, window_pairs = 0;
    for (int part = 0; part < of; ++part) {
      const Batch share = prompt_part(whole, part, of);
      tokens += share.tokens;
      windowed += share.window_prefill.queries;
      pairs += share.prefill.pairs;
      window_pairs += share.window_prefill.pairs;
      least = std::min(least, share.tokens), most = std::max(most, share.tokens);
      EXPECT_EQ(share.decode, AttentionWork{});
      EXPECT_GE(share.prefill.tiled_pairs, share.prefill.pairs * (1 - 1e-12));
      if (share.tokens > 0) {
        EXPECT_EQ(share.prefill.keys, whole.prefill.keys);
      }
    }
    EXPECT_EQ(tokens, whole.tokens);
    EXPECT_EQ(windowed, whole.window_prefill.queries);
    EXPECT_NEAR(pairs, whole.prefill.pairs, 1e-9 * pairs);
    EXPECT_NEAR(window_pairs, whole.window_prefill.pairs, 1e-9 * window_pairs);
    EXPECT_LE(most - least, 2);
  }
}

/// Each part's two pieces, formed as prompts of their own.
TEST(PromptParts, AreTheirTwoPiecesOfOnePrompt) {
  Random random(4, "pieces");
  for (int round = 0; round < test::rounds(300); ++round) {
    const int of = 2 + int(random.below(7));
    const std::int64_t piece = 1 + std::int64_t(random.below(700)), context = std::int64_t(random.below(5000));
    Batch whole;
    add_prefill(whole, spec::KeysRead{}, 2 * of * piece, context);
    for (int part = 0; part < of; ++part) {
      Batch pieces;
      add_prefill(pieces, spec::KeysRead{}, piece, context + part * piece);
      add_prefill(pieces, spec::KeysRead{}, piece, context + (2 * of - 1 - part) * piece);
      const AttentionWork share = prompt_part(whole, part, of).prefill;
      EXPECT_EQ(share.queries, pieces.prefill.queries);
      EXPECT_NEAR(share.pairs, pieces.prefill.pairs, 1e-9 * share.pairs);
      EXPECT_EQ(share.tiles, pieces.prefill.tiles);
      EXPECT_NEAR(share.tiled_pairs, pieces.prefill.tiled_pairs, 1e-9 * share.tiled_pairs);
    }
  }
}

/// Rows of an indexer that have more keys than it picks, and their scores, are those of the prompt.
TEST(PromptParts, PickAsTheWholeDoes) {
  Random random(5, "picks");
  for (int round = 0; round < test::rounds(300); ++round) {
    const int of = 2 + int(random.below(7)), picks = 1 + int(random.below(3000));
    const std::int64_t tokens = 2 * of * (1 + std::int64_t(random.below(600)));
    Batch whole;
    add_prefill(whole, {spec::KeysRead::Span::picked, picks}, tokens, std::int64_t(random.below(4000)));
    double ranked = 0, scores = 0;
    for (int part = 0; part < of; ++part) {
      const Batch share = prompt_part(whole, part, of);
      const IndexTopK top = index_top_k(picks, share.prefill, share.window_prefill, false);
      ranked += top.ranked, scores += top.scores;
    }
    const IndexTopK top = index_top_k(picks, whole.prefill, whole.window_prefill, false);
    EXPECT_NEAR(ranked, top.ranked, 1e-6 * double(tokens)) << tokens << " " << picks;
    EXPECT_NEAR(scores, top.scores, 1e-6 * whole.prefill.pairs) << tokens << " " << picks;
  }
}
}  // namespace
}  // namespace moesim::compute::parts
