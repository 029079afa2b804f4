#include "exchange/expert_map.h"

#include <gtest/gtest.h>

#include "routing/trace.h"
#include "routing/traffic.h"

namespace moesim::exchange {
namespace {
TEST(ExpertMap, ReplicasAreTheSlotsOfAnExpertInOrder) {
  const ExpertMap map{3, 2, 3, {0, 1, 2, 2, -1, 0}};
  EXPECT_EQ(map.copies_of(0), (std::vector<int>{0, 5}));
  EXPECT_EQ(map.copies_of(1), (std::vector<int>{1}));
  const CopyTable table = copy_table(map);
  EXPECT_EQ(table.first, (std::vector<int>{0, 2, 3, 5}));
  EXPECT_EQ(table.slots, (std::vector<int>{0, 5, 1, 2, 3}));
  EXPECT_EQ(map.gpu_of(2), 0);
  EXPECT_EQ(map.gpu_of(3), 1);
}

TEST(ExpertMap, ContiguousLeavesTheLastSlotsEmptyWhenExpertsDoNotDivide) {
  const ExpertMap map = contiguous_map(5, 2);
  EXPECT_EQ(map.slot_to_expert, (std::vector<int>{0, 1, 2, 3, 4, -1}));
  check_map(map);
}

TEST(ExpertMap, CheckNamesTheExpertWithoutASlot) {
  try {
    check_map({3, 1, 3, {0, 2, 2}});
    FAIL();
  } catch (const std::logic_error& e) {
    EXPECT_STREQ(e.what(), "expert 1 has no slot");
  }
}
}  // namespace
}  // namespace moesim::exchange
