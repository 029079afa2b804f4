#include "routing/transitions.h"

#include <gtest/gtest.h>

#include "core/random.h"

namespace moesim::routing {
namespace {

TEST(Transitions, PairsThatOccurSayWhatWholeTablesSay) {
  Transitions whole(2, 20), pairs(2, 20, 0);
  EXPECT_EQ(whole.likeliest_share(0), 0);
  EXPECT_EQ(pairs.likeliest_share(0), 0);
  Random random(1, "pairs");
  for (int i = 0; i < 1000; ++i) {
    const auto here = std::int16_t(random.below(20)), next = std::int16_t(random.below(1 + std::uint64_t(here)));
    whole.add(std::size_t(i % 2), here, next);
    pairs.add(std::size_t(i % 2), here, next);
  }
  for (const std::size_t layer : {0, 1}) {
    EXPECT_GT(whole.likeliest_share(layer), 0.1);
    EXPECT_EQ(whole.likeliest_share(layer), pairs.likeliest_share(layer));
  }
}

TEST(Transitions, TheLargestExpertsTakeNoTable) {
  Transitions t(127, 32'767);
  t.add(126, 32'766, 32'766);
  t.add(126, 32'766, 0);
  t.add(126, 32'766, 0);
  EXPECT_DOUBLE_EQ(t.likeliest_share(126), 2.0 / 3);
}
}  // namespace
}  // namespace moesim::routing
