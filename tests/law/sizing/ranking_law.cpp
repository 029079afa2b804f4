// The answer is the first of the best few by cost, load and mean headroom, whatever the number of jobs.
#include <gtest/gtest.h>

#include "law/sizing/small_plans.h"
#include "sizing/ranking.h"

namespace moesim::sizing {
namespace {
TEST(Ranking, OrdersByCostThenByLoadThenByMeanHeadroomOverSeeds) {
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
      // What is not known to carry as much load comes after the first with any seed.
      const bool decided = e.deployment.cost_per_hour() == s.entries[*s.winner].deployment.cost_per_hour() &&
                           r.load < s.ranking.front().load;
      ASSERT_EQ(r.headrooms.size(), decided ? 1u : 3u);
      EXPECT_EQ(r.headrooms.front(), e.headroom);
      EXPECT_GE(e.nearest_miss(), 1);
      if (i == 0) continue;
      const Entry& before = s.entries[s.ranking[i - 1].entry];
      const double a = before.deployment.cost_per_hour(), b = e.deployment.cost_per_hour();
      EXPECT_LE(a, b);
      if (a != b) continue;
      EXPECT_GE(s.ranking[i - 1].load, r.load);
      if (s.ranking[i - 1].load == r.load) {
        EXPECT_GE(s.ranking[i - 1].headroom.mean, r.headroom.mean);
      }
    }
    const bool equal = s.ranking.size() > 1 && s.entries[s.ranking[1].entry].deployment.cost_per_hour() ==
                                                   s.entries[*s.winner].deployment.cost_per_hour();
    EXPECT_EQ(s.why.empty(), !equal) << s.why;
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

/// A service that meets its target on its own seed alone, of three.
struct Lucky {
  Plan plan;
  Entry entry;
};
Lucky lucky(const TemporaryFolder& folder) {
  Lucky out{read_small(folder, 2), {}};
  Plan& plan = out.plan;
  plan.section.search.seeds = 3;
  const PoolDesign design{.role = serving::Role::both, .data = 8, .slots = 64, .batch = 64, .tokens = 2048};
  out.entry.deployment = {&plan.nodes[0], "sglang", {design}, {1}};
  out.entry.need = {1};
  out.entry.trial = trial_for(plan, 2);
  out.entry.settled = true;
  std::vector<double> tokens;
  const std::size_t token = latency_index("tpot_p90");
  plan.section.targets.latency = {};
  for (plan.seed = 1;; ++plan.seed) {
    tokens.push_back(simulate(plan, out.entry.deployment, out.entry.trial).latency[token]);
    const std::size_t n = tokens.size();
    if (n < 3) continue;
    const double next = std::min(tokens[n - 2], tokens[n - 1]);
    if (tokens[n - 3] >= next) continue;
    plan.section.targets.latency[token] = from_seconds((tokens[n - 3] + next) / 2);
    break;
  }
  plan.seed -= 2;
  out.entry.figures = simulate(plan, out.entry.deployment, out.entry.trial);
  out.entry.headroom = 1 - tightest(standings(plan.section.targets, *out.entry.figures))->used();
  out.entry.fate = Fate::meets;
  return out;
}

/// What meets the targets by chance is not the answer, and stays in the ledger; an instance more is looked at.
TEST(Ranking, PassesOverWhatMissesOnMostSeeds) {
  const TemporaryFolder folder;
  auto [plan, entry] = lucky(folder);
  entry.deployment.node = &plan.nodes[0];
  Search s;
  s.entries = {entry};
  EXPECT_FALSE(rank(plan, s, 2));
  EXPECT_FALSE(s.winner);
  ASSERT_EQ(s.entries.size(), 2u);
  EXPECT_EQ(s.entries[1].fell, Fell::seeds);
  EXPECT_EQ(s.entries[1].fate, Fate::misses);
  EXPECT_EQ(s.entries[1].reason, "seeds: it misses the targets on 2 of 3 seeds");
  EXPECT_EQ(s.entries[1].deployment.instances, std::vector<int>{1});
  EXPECT_EQ(s.entries[0].deployment.instances, std::vector<int>{2});
  ASSERT_TRUE(holds(s.entries[0])) << s.entries[0].reason;
  EXPECT_EQ(s.entries[0].reason, "1 node fewer would miss the targets on 2 of 3 seeds");
  EXPECT_TRUE(rank(plan, s, 2));
  ASSERT_TRUE(s.winner);
  EXPECT_EQ(*s.winner, 0u);
  EXPECT_EQ(seeds_missed(s), 0);
}

/// Where nothing else may be had, it is the answer, with what it misses.
TEST(Ranking, ChoosesWhatMissesOnFewestSeedsWhereAllDo) {
  const TemporaryFolder folder;
  auto [plan, entry] = lucky(folder);
  plan.nodes[0].choice.most = 1;
  entry.deployment.node = &plan.nodes[0];
  Search s;
  s.entries = {entry};
  EXPECT_FALSE(rank(plan, s, 2));
  EXPECT_TRUE(rank(plan, s, 2));
  ASSERT_TRUE(s.winner);
  EXPECT_EQ(s.entries.size(), 1u);
  EXPECT_EQ(s.entries[*s.winner].deployment.instances, std::vector<int>{1});
  EXPECT_EQ(seeds_missed(s), 2);
}
}  // namespace
}  // namespace moesim::sizing
