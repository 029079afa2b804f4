// The answer is the first of the best few by cost and mean headroom, whatever the number of jobs.
#include <gtest/gtest.h>

#include "law/sizing/small_plans.h"
#include "sizing/search.h"

namespace moesim::sizing {
namespace {
TEST(Ranking, OrdersByCostThenByMeanHeadroomOverSeeds) {
  const TemporaryFolder folder;
  for (const std::uint64_t number : {2, 6}) {
    Plan plan = read_small(folder, number);
    plan.section.search.seeds = 3;
    const Search s = search(plan, 2);
    if (!s.winner) continue;
    ASSERT_FALSE(s.ranking.empty());
    EXPECT_EQ(s.ranking.front().entry, *s.winner);
    EXPECT_FALSE(s.ranking.front().tie);
    for (std::size_t i = 0; i < s.ranking.size(); ++i) {
      const Ranked& r = s.ranking[i];
      const Entry& e = s.entries[r.entry];
      ASSERT_EQ(r.headrooms.size(), 3u);
      EXPECT_EQ(r.headrooms.front(), e.headroom);
      EXPECT_GE(e.nearest_miss, 1);
      if (i == 0) continue;
      const Entry& before = s.entries[s.ranking[i - 1].entry];
      const double a = before.deployment.cost_per_hour(), b = e.deployment.cost_per_hour();
      EXPECT_LE(a, b);
      if (a == b) {
        EXPECT_GE(s.ranking[i - 1].headroom.mean, r.headroom.mean);
      }
    }
    for (const Entry& e : s.entries)
      if (e.fate == Fate::meets || e.fate == Fate::front) {
        EXPECT_GE(e.deployment.cost_per_hour(), s.entries[*s.winner].deployment.cost_per_hour());
      }
  }
}

/// Seeds of the ranking are those of runs with that seed.
TEST(Ranking, OfOtherSeedsIsWhatTheySimulate) {
  const TemporaryFolder folder;
  Plan plan = read_small(folder, 2);
  plan.section.search.seeds = 2;
  const Search s = search(plan, 1);
  ASSERT_TRUE(s.winner);
  const Entry& w = s.entries[*s.winner];
  plan.seed += 1;
  const auto all = standings(plan.section.targets, simulate(plan, w.deployment, w.trial));
  EXPECT_EQ(1 - tightest(all)->used(), s.ranking.front().headrooms.at(1));
}
}  // namespace
}  // namespace moesim::sizing
