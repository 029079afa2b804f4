// What a search takes from other deployments with the same pool: that it holds where it is tried.
#include <gtest/gtest.h>

#include "law/sizing/small_plans.h"
#include "sizing/search.h"

namespace moesim::sizing {
namespace {
/// Prompts and answers apart, on nodes small enough that costs differ by an instance.
Plan read_apart(const TemporaryFolder& folder, std::uint64_t seed) {
  Plan plan = read_small(folder, seed);
  plan.section.candidates.layouts = {Layout::disaggregated};
  return plan;
}

/// As its closed form sizes it, it is no cheaper and leaves no more of the tightest target; to what a seed's chance
/// makes of it.
TEST(Search, CallsEqualOnlyWhatIsNoBetter) {
  const TemporaryFolder folder;
  int equal = 0;
  for (const std::uint64_t seed : {10, 24}) {
    const Plan plan = read_apart(folder, seed);
    const Search s = search(plan, 2);
    ASSERT_TRUE(s.winner) << small_plan(seed);
    const Entry& winner = s.entries[*s.winner];
    double headroom = winner.headroom;  // the winner carries most load, others as cheap may leave more of a target
    for (const Entry& e : s.entries)
      if (holds(e) && e.deployment.cost_per_hour() <= winner.deployment.cost_per_hour())
        headroom = std::max(headroom, e.headroom);
    int tried = 0;
    for (const Entry& e : s.entries) {
      if (e.fell != Fell::equal || tried == 4) continue;
      ++tried;
      EXPECT_GE(e.deployment.cost_per_hour(), winner.deployment.cost_per_hour() - 1e-9) << e.reason;
      const Verdict v = judge(plan, e.deployment, {.end_to_end = end_to_end(plan, e), .stretch = winner.stretch});
      EXPECT_LE(1 - v.used(), headroom + 0.05) << text_of(e.deployment) << ": " << e.reason;
    }
    equal += tried;
  }
  EXPECT_GT(equal, 0);
}

Entry entry_of(const Plan& plan, const PoolDesign& prompts, const PoolDesign& answers) {
  Entry out;
  out.deployment = {&plan.nodes[0], "sglang", {prompts, answers}, {1, 4}};
  out.need = {0.5, 0.5};
  out.ttft = 0.1, out.tpot = 0.01;
  return out;
}

/// What was too few beside one pool misses beside another, simulated.
TEST(Search, LearnsOnlyWhatIsTooFew) {
  const TemporaryFolder folder;
  Plan plan = read_small(folder, 3);
  plan.section.targets.latency = {};
  plan.section.targets.latency[latency_index("ttft_p90")] = 2_s;
  plan.section.targets.latency[latency_index("tpot_p90")] = 100_ms;
  const PoolDesign prompts{.role = serving::Role::prefill, .data = 1, .slots = 64, .tokens = 2048};
  const PoolDesign few{.role = serving::Role::decode, .data = 1, .slots = 64, .batch = 16};
  const PoolDesign many{.role = serving::Role::decode, .data = 1, .slots = 64, .batch = 64};
  plan.nodes[0].choice.most = 12;
  const Terms terms{.load = 8};
  Entry known = entry_of(plan, prompts, few), fresh = entry_of(plan, prompts, many);
  ASSERT_TRUE(minimise(plan, known, 1e300, terms)) << known.reason;
  learn(fresh, {&known, &fresh});
  ASSERT_FALSE(fresh.missed.empty()) << text_of(known.deployment);
  for (const Missed& m : fresh.missed) {
    const std::size_t pool = m.instances[0] == kHowever ? 1 : 0;
    EXPECT_EQ(m.instances[1 - pool], kHowever);
    EXPECT_FALSE(m.beside.empty());
    EXPECT_GT(fresh.deployment.instances[pool], m.instances[pool]);
    Deployment fewer = known.deployment;
    fewer.pools = fresh.deployment.pools;
    fewer.instances[pool] = m.instances[pool];
    EXPECT_FALSE(judge(plan, fewer, {.end_to_end = end_to_end(plan, fresh), .load = terms.load}).met) << text_of(fewer);
  }
  EXPECT_TRUE(minimise(plan, fresh, 1e300, terms)) << fresh.reason;
  EXPECT_TRUE(holds(fresh));
  EXPECT_FALSE(fresh.reason.empty()) << text_of(fresh.deployment);
  EXPECT_GE(fresh.deployment.instances[0], 1) << text_of(fresh.deployment) << ": " << fresh.reason;
  for (const Missed& m : fresh.missed)
    for (std::size_t p = 0; p < 2; ++p) EXPECT_LT(m.instances[p], kHowever);
}
}  // namespace
}  // namespace moesim::sizing
