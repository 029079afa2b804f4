// Slots as bins that fill up: what a GPU has taken counts against it.
#include "placement/planning/packing.h"

#include <gtest/gtest.h>

namespace moesim::placement {
namespace {
TEST(Bins, TheLightestGpuIsTheOneThatWouldBeDoneFirst) {
  const PlacementProblem problem{.gpus = 2, .slots = 4};
  Bins bins(4, problem);
  bins.add(0, 0, 4);
  EXPECT_DOUBLE_EQ(bins.time(0), 4);
  EXPECT_DOUBLE_EQ(bins.time(1, 3), 3);
  EXPECT_EQ(bins.lightest(1, 3, 0, 2), 1);
  bins.add(1, 1, 3);
  EXPECT_EQ(bins.lightest(2, 2, 0, 2), 1);  // 4 and 3 so far
  bins.add(1, 2, 2);
  EXPECT_EQ(bins.lightest(3, 1, 0, 2), 0);  // the other is full
  bins.add(0, 3, 1);
  EXPECT_EQ(bins.lightest(0, 1, 0, 2), -1);
  EXPECT_EQ(bins.take().slot_to_expert, (std::vector{0, 3, 1, 2}));
}

TEST(LongestFirst, TheNextExpertGoesWhereLeastHasGone) {
  const PlacementProblem problem{.gpus = 2, .slots = 4};
  EXPECT_EQ(longest_first(std::vector<double>{4, 3, 2, 1}, problem).slot_to_expert, (std::vector{0, 3, 1, 2}));
}
}  // namespace
}  // namespace moesim::placement
