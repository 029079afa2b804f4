// Parameters of the law `grouped` that cannot be.
#include <gtest/gtest.h>

#include "common/traffic_cases.h"
#include "support/refusal.h"

namespace moesim::routing {
namespace {
std::string refused(const std::string& parameters) {
  return test::refusal_of([&] {
    (void)make_traffic(Config::from_text("{kind: grouped, " + parameters + "}", "s.yaml"),
                       {test::kV3, {32, 8}, 1, std::nullopt});
  });
}

TEST(GroupedReject, ParametersOutsideTheirRange) {
  EXPECT_EQ(refused("spread: -0.1"), "s.yaml:1:25: spread: expected 0 to 3, got -0.1");
  EXPECT_EQ(refused("spread_varies: 1.5"), "s.yaml:1:32: spread_varies: expected 0 to 1, got 1.5");
  EXPECT_EQ(refused("slope: 4"), "s.yaml:1:24: slope: expected -3 to 3, got 4");
  EXPECT_EQ(refused("slope_varies: -1"), "s.yaml:1:31: slope_varies: expected 0 to 3, got -1");
  EXPECT_EQ(refused("neighbours: 1"), "s.yaml:1:29: neighbours: expected 0 to 0.99, got 1");
  EXPECT_EQ(refused("group_spread: 9"), "s.yaml:1:31: group_spread: expected 0 to 3, got 9");
  EXPECT_EQ(refused("tilt: -6"), "s.yaml:1:23: tilt: expected -5 to 5, got -6");
  EXPECT_EQ(refused("taper: 4"), "s.yaml:1:24: taper: expected -3 to 3, got 4");
  EXPECT_EQ(refused("texts_alike: 1.1"), "s.yaml:1:30: texts_alike: expected 0 to 1, got 1.1");
  EXPECT_EQ(refused("phases_alike: -1"), "s.yaml:1:31: phases_alike: expected 0 to 1, got -1");
  EXPECT_EQ(refused("steady: 2"), "s.yaml:1:25: steady: expected 0 to 1, got 2");
  EXPECT_EQ(refused("text: -1"), "s.yaml:1:23: text: kinds of text are numbered from 0, got -1");
  EXPECT_EQ(refused("drift: -1"), "s.yaml:1:24: drift: must not be negative, got -1");
  EXPECT_TRUE(refused("sigma: 1").starts_with("s.yaml:1:17: unknown key \"sigma\"; known keys: spread, "));
  // The ends are in it.
  for (const char* fine :
       {"spread: 0", "texts_alike: 1, phases_alike: 1, steady: 1", "steady: 0", "drift: 0", "tilt: -5"})
    EXPECT_EQ(refused(fine), "accepted") << fine;
}
}  // namespace
}  // namespace moesim::routing
