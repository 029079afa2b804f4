// Which of several plans a page names.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "pages/studies/plan.h"

namespace moesim::pages {
namespace {
Plan plan(const std::string& scope, double balance, double gap) {
  Plan out = plan_of(scope);
  out.figures = {{"balancedness", balance}, {"gap_to_bound", gap}};
  return out;
}

TEST(BestPlan, IsTheMostEvenOverAllLoadsHoweverNearToTheBoundOfFewSlotsAnotherIs) {
  const std::vector<Plan> plans = {
      plan("placement:eplb:64:a:a", 0.30, 0.07), plan("placement:eplb:64:a:b", 0.28, 0.10),
      plan("placement:eplb:80:a:a", 0.99, 0.01), plan("placement:eplb:80:a:b", 0.29, 2.4),
      plan("placement:eplb:80:b:a", 0.43, 1.3),  plan("placement:eplb:80:b:b", 0.99, 0.01)};
  const auto best = best_of(plans);
  ASSERT_TRUE(best);
  EXPECT_EQ(best->plan->scope, "placement:eplb:80:b:b");
  EXPECT_EQ(best->of, "placement:eplb:80:b:");
  EXPECT_EQ(best->loads, 2u);
  EXPECT_DOUBLE_EQ(best->balance, 0.71);
}

TEST(BestPlan, OfOneLoadIsTheMostEvenAndOfNoneIsNone) {
  const std::vector<Plan> plans = {plan("placement:contiguous:64", 0.3, 0.1), plan("placement:eplb:80", 0.9, 0.2),
                                   plan("placement:eplb:96", 0.9, 0.3)};
  const auto best = best_of(plans);
  ASSERT_TRUE(best);
  EXPECT_EQ(best->plan->plan_name(), "eplb, 80 slots");
  EXPECT_EQ(best->loads, 1u);
  EXPECT_FALSE(best_of({}));
}
}  // namespace
}  // namespace moesim::pages
