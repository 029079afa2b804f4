// Parts of prompts that GPUs share, worked out in the head.
#include "compute/layers/prompt_parts.h"

#include <gtest/gtest.h>

#include "spec/catalogue.h"

namespace moesim::compute::parts {
namespace {
Batch prompts(std::int64_t tokens, std::int64_t context, std::int64_t count = 1) {
  Batch out;
  add_prefill(out, spec::KeysRead{}, tokens, context, count);
  out.outputs = count;
  return out;
}

// 16 tokens after 4 have 16 x 4 + 16 x 16 / 2 = 192 pairs; pieces of four, of which each part has an early and a late
// one: 4 x 4 + 8 and 4 x 16 + 8 pairs, or 4 x 8 + 8 and 4 x 12 + 8.
TEST(PromptParts, HaveAsManyPairs) {
  const Batch whole = prompts(16, 4);
  ASSERT_EQ(whole.prefill.pairs, 192);
  for (const int part : {0, 1}) {
    const Batch of = prompt_part(whole, part, 2);
    EXPECT_EQ(of.tokens, 8);
    EXPECT_EQ(of.prefill.queries, 8);
    EXPECT_EQ(of.prefill.pairs, 96);
    EXPECT_EQ(of.prefill.keys, 20) << "a part reads the keys of the whole prompt";
    EXPECT_EQ(of.prefill.longest, 20);
    EXPECT_EQ(of.prefill.sequences, 1);
    EXPECT_EQ(of.outputs, 1);
  }
}

// Pieces of 5, 4, 4 and 4.
TEST(PromptParts, FirstPiecesAreAtMostATokenLonger) {
  EXPECT_EQ(prompt_part(prompts(17, 0), 0, 2).tokens, 9);
  EXPECT_EQ(prompt_part(prompts(17, 0), 1, 2).tokens, 8);
  EXPECT_EQ(prompt_part(prompts(3, 0), 3, 4).tokens, 0) << "three pieces of a token for four parts";
  EXPECT_EQ(prompt_part(prompts(3, 0), 3, 4).outputs, 0);
}

// 2048 tokens in four parts are pieces of 256: two tiles of 128 queries each.  300 are pieces of 38 and 37, each a
// tile.
TEST(PromptParts, PiecesFillTilesOfTheirOwn) {
  EXPECT_EQ(prompt_part(prompts(2048, 0), 1, 4).prefill.tiles, 4);
  EXPECT_EQ(prompt_part(prompts(300, 0), 1, 4).prefill.tiles, 2);
  EXPECT_EQ(prompt_part(prompts(300, 0, 5), 1, 4).prefill.tiles, 10);
  EXPECT_DOUBLE_EQ(prompt_part(prompts(2048, 0), 1, 4).prefill.tiled_pairs, 2048.0 * 2048 / 2 / 4);
}

TEST(PromptParts, GatherWhatTheyCacheInTwoBytes) {
  LayerOptions options;
  options.precision.kv_cache = spec::Dtype::fp8;  // written so after it was gathered
  const auto of = [&](const char* model, int layer = 10) {
    const GatheredKeys keys = gathered_keys(spec::load_model(model), layer, options);
    return std::pair(keys.kept.v, keys.index.v);
  };
  EXPECT_EQ(of("deepseek-r1"), std::pair(std::int64_t{2 * (512 + 64)}, std::int64_t{0}));
  EXPECT_EQ(of("deepseek-v3.2"), std::pair(std::int64_t{2 * (512 + 64)}, std::int64_t{2 * 128}));
  EXPECT_EQ(of("mixtral-8x7b"), std::pair(std::int64_t{2 * 2 * 8 * 128}, std::int64_t{0}));
  options.tensor = 4;  // two of eight heads on each
  EXPECT_EQ(of("mixtral-8x7b"), std::pair(std::int64_t{2 * 2 * 2 * 128}, std::int64_t{0}));
  EXPECT_EQ(of("deepseek-r1"), std::pair(std::int64_t{2 * (512 + 64)}, std::int64_t{0})) << "every GPU has the latent";
}
}  // namespace
}  // namespace moesim::compute::parts
