// Routing with experts loaded more or less evenly, key by key.
#include "sizing/skew.h"

#include <gtest/gtest.h>

namespace moesim::sizing {
namespace {
std::string skewed(const std::string& routing, double times) {
  Plan plan;
  plan.routing_text = routing;
  return with_skew(plan, times);
}

TEST(Skew, ScalesWhatSaysHowUnequalExpertsAre) {
  EXPECT_EQ(skewed("{kind: log_normal, sigma: 0.5}", 1.5), "{kind: log_normal, sigma: 0.75}");
  EXPECT_EQ(skewed("log_normal", 2), "{kind: log_normal, sigma: 1.5}");  // by its default of 0.75
  EXPECT_EQ(skewed("{kind: log_normal, every: 100, sigma: 1}", 0.5), "{kind: log_normal, every: 100, sigma: 0.5}");
  EXPECT_EQ(skewed("{kind: power_law, exponent: 0.6}", 0.5), "{kind: power_law, exponent: 0.3}");
  EXPECT_EQ(skewed("{kind: hot_experts, factor: 5}", 0.5), "{kind: hot_experts, factor: 3}");  // 4 beyond the mean
}

TEST(Skew, HasNoneOfWhatWasRecorded) {
  EXPECT_EQ(skewed("", 2), "");
  EXPECT_EQ(skewed("balanced", 2), "");
  EXPECT_EQ(skewed("{trace: recorded.db}", 2), "");
}
}  // namespace
}  // namespace moesim::sizing
