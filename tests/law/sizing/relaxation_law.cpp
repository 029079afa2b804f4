// What looser targets are said to save is what they save.
#include <gtest/gtest.h>

#include "law/sizing/small_plans.h"
#include "sizing/relaxations.h"

namespace moesim::sizing {
namespace {
struct Asked {
  Plan plan;
  Search search;
  double cost() const { return search.entries[*search.winner].deployment.cost_per_hour(); }
};
Asked asked(Plan plan) {
  Search s = search(plan, 2);
  return {std::move(plan), std::move(s)};
}
Plan with_limit(const Plan& plan, std::size_t latency, Time limit) {
  Plan out = plan;
  out.section.targets.latency[latency] = limit;
  return out;
}

/// A target just missed by the cheapest is given back by a look at looser targets: what it names costs no more than the
/// cheapest did, meets the looser target, and the plan asked again with it finds nothing dearer.
TEST(Relaxations, GiveBackWhatATighterTargetCost) {
  const TemporaryFolder folder;
  int saving = 0;
  for (std::uint64_t seed = 3; seed < 12 && saving == 0; ++seed) {
    const Asked loose = asked(read_small(folder, seed));
    if (!loose.search.winner) continue;
    const Entry& w = loose.search.entries[*loose.search.winner];
    for (std::size_t i = kLatencies.size(); i-- > 0 && saving == 0;) {
      if (!loose.plan.section.targets.latency[i]) continue;
      const double value = w.figures->latency[i];
      const Asked tight = asked(with_limit(loose.plan, i, from_seconds(0.97 * value)));
      if (!tight.search.winner || tight.cost() <= loose.cost()) continue;
      ++saving;
      const Relaxations r = relax(tight.plan, tight.search, 2);
      ASSERT_FALSE(r.all.empty()) << kLatencies[i] << " of seed " << seed << ": " << r.none;
      for (const Relaxation& one : r.all) {
        EXPECT_LT(one.deployment.cost_per_hour(), tight.cost());
        EXPECT_TRUE(one.tightest.met());
        if (one.target != kLatencies[i]) continue;
        const Time limit = from_seconds(seconds(*tight.plan.section.targets.latency[i]) * one.times);
        EXPECT_LE(asked(with_limit(loose.plan, i, limit)).cost(), one.deployment.cost_per_hour() * (1 + 1e-9));
      }
    }
  }
  EXPECT_EQ(saving, 1) << "no plan's cost depends on its targets";
}

TEST(Relaxations, OfTheOnlyCheapestDeploymentSaveNothing) {
  const TemporaryFolder folder;
  const Asked a = asked(read_small(folder, 2));
  ASSERT_TRUE(a.search.winner);
  const Relaxations r = relax(a.plan, a.search, 2);
  EXPECT_TRUE(r.all.empty());
  EXPECT_NE(r.none, "");
}
}  // namespace
}  // namespace moesim::sizing
