// Of deployments that cost the same, the answer is the one that carries most load, on nodes that are full.
#include <gtest/gtest.h>

#include "law/sizing/small_plans.h"
#include "sizing/load_race.h"
#include "sizing/variations.h"

namespace moesim::sizing {
namespace {
/// Of those that cost the same, the one that carries most load; to an eighth, which is what windows tell.
TEST(Search, AnswersWithWhatCarriesMostOfEquallyCheapOnes) {
  const TemporaryFolder folder;
  int rivals = 0;
  for (const std::uint64_t seed : {std::uint64_t{5}}) {
    Plan plan = read_small(folder, seed);
    const Search s = search(plan, 2);
    ASSERT_TRUE(s.winner);
    const Entry& w = s.entries[*s.winner];
    const double most = capacity(plan, w, w.deployment);
    for (const Entry& e : s.entries) {
      if (!holds(e) || &e == &w || e.deployment.cost_per_hour() != w.deployment.cost_per_hour()) continue;
      ++rivals;
      Deployment all = e.deployment;
      all.instances = filled(e);
      EXPECT_FALSE(clearly_more(capacity(plan, e, all), most)) << text_of(all) << ", not " << text_of(w.deployment);
    }
  }
  EXPECT_GT(rivals, 0);
}

/// What its nodes hold serves: another instance of any of its pools would take a node more.
TEST(Search, LeavesNoRoomOnTheNodesOfItsAnswer) {
  const TemporaryFolder folder;
  for (const std::uint64_t seed : {2, 6}) {
    const Plan plan = read_small(folder, seed);
    const Search s = search(plan, 2);
    if (!s.winner) continue;
    const Deployment& d = s.entries[*s.winner].deployment;
    for (std::size_t p = 0; p < d.pools.size(); ++p) {
      Deployment more = d;
      ++more.instances[p];
      EXPECT_GT(more.gpus(), d.gpus()) << text_of(d);
    }
  }
}
}  // namespace
}  // namespace moesim::sizing
