// Instances that the nodes hold beside the fewest, counted in the head.
#include <gtest/gtest.h>

#include "sizing/search.h"

namespace moesim::sizing {
namespace {
using serving::Role;

Entry entry_of(const PricedNode& node, std::vector<PoolDesign> pools, std::vector<int> instances,
               std::vector<double> within) {
  Entry out;
  out.deployment = {&node, "sglang", std::move(pools), std::move(instances)};
  out.within = std::move(within);
  return out;
}

class Filled : public testing::Test {
 protected:
  Filled() { node_.node.gpus = 8; }
  static PoolDesign pool(Role role, int tensor) { return {.role = role, .tensor = tensor}; }
  PricedNode node_;
};

TEST_F(Filled, IsAWholeNodeOfInstancesOfOnePool) {
  EXPECT_EQ(filled(entry_of(node_, {pool(Role::both, 1)}, {3}, {2.5})), std::vector<int>{8});
  EXPECT_EQ(filled(entry_of(node_, {pool(Role::both, 2)}, {5}, {4.5})), std::vector<int>{8});
  EXPECT_EQ(filled(entry_of(node_, {pool(Role::both, 8)}, {3}, {2.5})), std::vector<int>{3});
}

/// 2 + 2 GPUs leave 4: one of each where they are as full, both of answers where those are four times as full.
TEST_F(Filled, GivesTheRoomToTheFullestPool) {
  const std::vector<PoolDesign> pools{pool(Role::prefill, 2), pool(Role::decode, 2)};
  EXPECT_EQ(filled(entry_of(node_, pools, {1, 1}, {0.5, 0.5})), (std::vector{2, 2}));
  EXPECT_EQ(filled(entry_of(node_, pools, {1, 1}, {0.2, 0.8})), (std::vector{1, 3}));
}

/// 4 GPUs of prompts leave one of 4 for answers, none for prompts beside 2 GPUs of answers.
TEST_F(Filled, TakesWhatFits) {
  EXPECT_EQ(filled(entry_of(node_, {pool(Role::prefill, 4), pool(Role::decode, 2)}, {1, 1}, {0.9, 0.1})),
            (std::vector{1, 2}));
}

TEST_F(Filled, KeepsARatio) {
  Entry e = entry_of(node_, {pool(Role::prefill, 1), pool(Role::decode, 1)}, {1, 2}, {0.5, 1.5});
  e.unit = {1, 2};
  EXPECT_EQ(filled(e), (std::vector{2, 4}));  // 6 GPUs; 9 would be another node
}
}  // namespace
}  // namespace moesim::sizing
