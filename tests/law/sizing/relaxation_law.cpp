#include <chrono>
#include <cstdio>
// What looser targets are said to save is what they save.
#include <gtest/gtest.h>

#include "law/sizing/small_plans.h"
#include "sizing/relaxations.h"
#include "support/rounds.h"

namespace moesim::sizing {
namespace {
double cost_of_answer(const Plan& plan) {
  const Search s = search(plan, 2);
  return s.winner ? s.entries[*s.winner].deployment.cost_per_hour() : 1e300;
}

/// The plan asked again with the looser target costs no more than what is said; and no less than the answer where no
/// target is said to save anything.
TEST(Relaxations, AreWhatThePlanAskedAgainCosts) {
  const TemporaryFolder folder;
  int saving = 0, none = 0;
  for (int round = 0; round < test::rounds(8); ++round) {
    const Plan plan = read_small(folder, std::uint64_t(2 + round));
    const Search s = search(plan, 2);
    if (!s.winner) continue;
    const auto t0=std::chrono::steady_clock::now(); struct P{int r; decltype(t0) t; ~P(){std::fprintf(stderr,"round %d %.1f\n",r,std::chrono::duration<double>(std::chrono::steady_clock::now()-t).count());}} pp{round,t0};
    const double cost = s.entries[*s.winner].deployment.cost_per_hour();
    const Relaxations r = relax(plan, s, 2);
    EXPECT_NE(r.all.empty(), r.none.empty()); std::fprintf(stderr,"round %d: %zu\n",round,r.all.size());
    for (const Relaxation& one : r.all) {
      ++saving;
      EXPECT_LT(one.deployment.cost_per_hour(), cost);
      Plan looser = plan;
      Time& limit =
          *looser.section.targets.latency[std::size_t(std::ranges::find(kLatencies, one.target) - kLatencies.begin())];
      limit = from_seconds(seconds(limit) * one.times);
      EXPECT_LE(cost_of_answer(looser), one.deployment.cost_per_hour() * (1 + 1e-9)) << one.target << " " << round;
      EXPECT_EQ(one.tightest.met(), true);
    }
    if (!r.all.empty()) continue;
    ++none;
    for (std::size_t i = 0; i < kLatencies.size(); ++i) {
      if (!plan.section.targets.latency[i]) continue;
      Plan looser = plan;
      looser.section.targets.latency[i] = *plan.section.targets.latency[i] * 2;
      EXPECT_GE(cost_of_answer(looser), cost * (1 - 1e-9)) << kLatencies[i] << " " << round << ": " << r.none;
    }
  }
  EXPECT_GT(saving + none, 0);
}
}  // namespace
}  // namespace moesim::sizing
