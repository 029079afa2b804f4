// What the scenario of a deployment holds, whatever the plan.
#include <gtest/gtest.h>

#include "law/sizing/small_plans.h"
#include "sizing/design.h"

namespace moesim::sizing {
namespace {
// Two GPUs may share experts, one has them all.  An objective is part of the scenario where there is one: of all
// requests, or of a share.
TEST(Scenario, HasPlacesAndAnObjectiveWhereThereIsSomethingToSay) {
  const TemporaryFolder folder;
  Plan plan = read_small(folder, 2);
  PoolDesign design{.role = serving::Role::both, .data = 2, .slots = 64, .batch = 512, .tokens = 8192};
  EXPECT_TRUE(is_placed(design, plan.model));
  const auto text = [&] {
    return scenario_text(plan, Deployment{&plan.nodes[0], "sglang", {design}, {1}}, trial_for(plan, 10));
  };
  for (const double share : {0.0, 0.5, 1.0}) {
    plan.section.targets.share = share, plan.section.targets.ttft = 2_s;
    EXPECT_EQ(text().find("  slo: {ttft: 2 s}\n") != std::string::npos, share > 0) << share;
    EXPECT_EQ(text().find("slo:") != std::string::npos, share > 0) << share;
  }
  design.data = 1;
  EXPECT_FALSE(is_placed(design, plan.model));
}
}  // namespace
}  // namespace moesim::sizing
