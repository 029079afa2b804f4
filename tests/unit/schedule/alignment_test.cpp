// Beside which block of the other half a block lies.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/random.h"
#include "schedule/executor/alignment.h"

namespace moesim::schedule {
namespace {
const BlockTraits kMoe{true, true}, kDense{false, true}, kEmbedding{false, false};
using Slots = std::vector<std::int16_t>;

TEST(Align, GivesASingleHalfOneSlotABlock) {
  const Alignment a = align({kEmbedding, kDense, kMoe}, {});
  EXPECT_EQ(a.forward, (Slots{0, 1, 2}));
  EXPECT_EQ(a.backward, (Slots{-1, -1, -1}));
}

TEST(Align, PairsEqualHalvesBlockByBlock) {
  const Alignment a = align({kMoe, kMoe}, {kMoe, kMoe});
  EXPECT_EQ(a.forward, (Slots{0, 1}));
  EXPECT_EQ(a.backward, (Slots{0, 1}));
}

TEST(Align, LaysLateExpertsBesideCompute) {
  // The first stage's forward beside the last stage's backward: from the start, its experts would have nobody left.
  const Alignment a = align({kEmbedding, kDense, kDense, kDense, kMoe, kMoe}, {kDense, kMoe, kDense});
  EXPECT_EQ(a.forward, (Slots{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(a.backward, (Slots{-1, -1, -1, 0, 1, 2}));
}

TEST(Align, KeepsTheOrderOfBothHalvesAndEveryBlock) {
  Random chance(1, "alignment");
  for (int round = 0; round < 200; ++round) {
    const auto half = [&] {
      std::vector<BlockTraits> out(chance.below(7));
      for (BlockTraits& b : out) b = chance.below(2) == 0 ? kMoe : kDense;
      return out;
    };
    const std::vector<BlockTraits> forward = half(), backward = half();
    const Alignment a = align(forward, backward);
    ASSERT_EQ(a.forward.size(), a.backward.size());
    for (const auto& [slots, blocks] : {std::pair{a.forward, forward.size()}, std::pair{a.backward, backward.size()}}) {
      Slots kept;
      std::ranges::copy_if(slots, std::back_inserter(kept), [](std::int16_t b) { return b >= 0; });
      ASSERT_EQ(kept.size(), blocks);
      for (std::size_t i = 0; i < kept.size(); ++i) EXPECT_EQ(kept[i], std::int16_t(i));
    }
    // Where every block computes, the shorter half lies wholly beside the longer one.
    EXPECT_EQ(a.forward.size(), std::max(forward.size(), backward.size()));
  }
}
}  // namespace
}  // namespace moesim::schedule
