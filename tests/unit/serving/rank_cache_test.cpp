#include "serving/instance/rank_cache.h"

#include <gtest/gtest.h>

namespace moesim::serving {
namespace {
// A tenth of 100 tokens stays free.
TEST(RankCache, StartingRequestsLeaveTheWatermarkFreeUnlessTheyAreAlone) {
  RankCache cache({.capacity = 100, .block = 1}, 0.1);
  Live live;
  EXPECT_FALSE(cache.take_in(live, 91, false));
  EXPECT_TRUE(cache.take_in(live, 90, false));
  EXPECT_EQ(live.hold.taken, 90);
  Live next;
  EXPECT_FALSE(cache.take_in(next, 1, false));
  EXPECT_TRUE(cache.take_in(next, 10, true));  // all of the rest
  EXPECT_FALSE(cache.take_in(next, 1, true));
}

TEST(RankCache, ARequestThatGrowsMayUseTheWatermark) {
  RankCache cache({.capacity = 100, .block = 1}, 0.1);
  Live live;
  ASSERT_TRUE(cache.take_in(live, 90, false));
  EXPECT_TRUE(cache.grow(10));
  EXPECT_FALSE(cache.grow(1));
}
}  // namespace
}  // namespace moesim::serving
