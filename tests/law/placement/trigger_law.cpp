// What every trigger of new placements promises, for every entry of the table.
#include <gtest/gtest.h>

#include "loads_for_tests.h"
#include "placement/rebalancing/rebalance.h"

namespace moesim::placement::triggers {
namespace {
std::vector<std::string> kinds() {
  std::vector<std::string> out;
  for (const auto& s : rebalance_triggers().table()) out.emplace_back(s.kind);
  return out;
}
class TriggerLaw : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<RebalanceTrigger> trigger = rebalance_triggers().of_kind(GetParam());
  bool due(std::int64_t steps, int plans, double balancedness) const {
    return trigger->due(steps, plans, [balancedness] { return balancedness; });
  }
};
INSTANTIATE_TEST_SUITE_P(, TriggerLaw, testing::ValuesIn(kinds()), [](const auto& one) { return one.param; });

TEST_P(TriggerLaw, SameLookSameAnswer) {
  for (const std::int64_t steps : {1, 100, 2999, 3000, 10'000})
    for (const double balancedness : {0.1, 0.79, 0.81, 1.0})
      EXPECT_EQ(due(steps, 1, balancedness), due(steps, 1, balancedness)) << steps << " steps, " << balancedness;
}

TEST_P(TriggerLaw, WhatIsDueStaysDueUntilThePlan) {
  for (const double balancedness : {0.1, 0.79, 0.81, 1.0})
    for (std::int64_t steps = 1; steps < 20'000; steps += 50)
      EXPECT_LE(due(steps, 1, balancedness), due(steps + 50, 1, balancedness)) << steps;
}

TEST_P(TriggerLaw, WorseBalanceNeverCallsForLess) {
  for (const std::int64_t steps : {1, 3000, 10'000})
    for (double balancedness = 0.05; balancedness < 1; balancedness += 0.05)
      EXPECT_LE(due(steps, 1, balancedness + 0.05), due(steps, 1, balancedness)) << steps << ", " << balancedness;
}

TEST_P(TriggerLaw, OnALongUnevenRunEveryOneButNeverFires) { EXPECT_EQ(due(1'000'000, 0, 0.1), GetParam() != "never"); }

/// A run with the trigger ends at least as well balanced as it began, and plans no more often than it looked.
TEST_P(TriggerLaw, DrivesARebalancer) {
  const Loads loads = skewed_loads(2, 16, 1, 3);
  const PlacementProblem problem = checked({.gpus = 4, .nodes = 2, .slots = 24}, 16);
  Rebalancer r({.window = 4}, rebalance_triggers().of_kind(GetParam()), placements().of_kind("eplb_global"), problem,
               {0, 1}, plan(*placements().of_kind("contiguous"), {loads, problem}), {1});
  r.observe(loads.counts);
  const double before = r.balancedness();
  constexpr int kLooks = 5;
  for (int look = 0; look < kLooks; ++look) {
    r.observe(loads.counts, 1000);
    r.advance();
  }
  EXPECT_GE(r.balancedness(), before);
  EXPECT_LE(r.plans(), kLooks);
  EXPECT_EQ(r.plans() > 0, GetParam() != "never");
  EXPECT_EQ(r.balancedness() > before, GetParam() != "never");
}
}  // namespace
}  // namespace moesim::placement::triggers
