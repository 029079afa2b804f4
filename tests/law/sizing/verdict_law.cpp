// What is said to be carried is carried on windows far longer than it was judged on, and little more is.
#include <gtest/gtest.h>

#include "law/sizing/small_plans.h"
#include "sizing/variations.h"

namespace moesim::sizing {
namespace {
/// As small plans are, but judged for as long as it takes.
std::string unhurried(std::uint64_t seed) {
  std::string text = small_plan(seed);
  const std::string limits = ", least: 5 s, most: 20 s";
  return text.replace(text.find(limits), limits.size(), "");
}

Plan read_unhurried(const TemporaryFolder& folder, std::uint64_t seed) {
  const std::string file = folder.file(fmt::format("plan{}.yaml", seed));
  std::ofstream(file) << unhurried(seed);
  Plan plan = read_plan(file, {}, {});
  plan.section.candidates.layouts = {Layout::aggregated};
  return plan;
}

TEST(Verdict, OfACapacityStandsOnAWindowFiveTimesAsLong) {
  const TemporaryFolder folder;
  for (const std::uint64_t seed : {2, 6}) {
    const Plan plan = read_unhurried(folder, seed);
    const Search s = search(plan, 2);
    ASSERT_TRUE(s.winner) << unhurried(seed);
    const Entry& w = s.entries[*s.winner];
    const double carried = capacity(plan, w, w.deployment);
    EXPECT_GE(carried, 0.97) << "it meets the targets under all of it";
    const auto meets = [&](double load) {
      Trial trial = trial_for(plan, end_to_end(plan, w));
      trial.duration = trial.warmup + (trial.duration - trial.warmup) * 5;
      trial.load = load;
      return all_met(standings(plan.section.targets, simulate(plan, w.deployment, trial)));
    };
    EXPECT_TRUE(meets(0.9 * carried)) << carried << " of " << unhurried(seed);
    EXPECT_FALSE(meets(1.15 * carried)) << carried << " of " << unhurried(seed);
  }
}

/// What is close to a target is judged for longer than what is far from it, and its figures are of the longest window.
TEST(Verdict, TakesLongerWhereItIsClose) {
  const TemporaryFolder folder;
  Plan plan = read_unhurried(folder, 2);
  const PoolDesign design{.role = serving::Role::both, .data = 8, .slots = 64, .batch = 64, .tokens = 2048};
  const Deployment d{&plan.nodes[0], "sglang", {design}, {1}};
  const Terms terms{.end_to_end = 2};
  auto& limit = plan.section.targets.latency[latency_index("tpot_p90")];
  plan.section.targets.latency[latency_index("ttft_p90")] = 100_s;
  limit = 10_s;
  const Verdict far = judge(plan, d, terms);
  EXPECT_TRUE(far.met);
  EXPECT_EQ(far.trials, 1);
  EXPECT_EQ(far.stretch, 1);
  limit = from_seconds(1.1 * far.figures.latency[latency_index("tpot_p90")]);
  const Verdict close = judge(plan, d, terms);
  EXPECT_GT(close.trials, 1);
  EXPECT_GT(close.stretch, 1);
  EXPECT_GT(close.trial.duration, far.trial.duration);
  EXPECT_EQ(close.figures, simulate(plan, d, close.trial));
  plan.section.search.most = far.trial.duration;  // the plan says how long is enough
  EXPECT_EQ(judge(plan, d, terms).trials, 1);
}

/// Ten instances of 4 x 64 requests, each of 100 tokens in some 33 ms, serve 776 a second of 800 that come: their
/// latencies are fast for minutes, and they are too few: places tell, in any window.
TEST(Verdict, OfALoadALittleOverWhatPlacesServeIsThatItIsNotServed) {
  const TemporaryFolder folder;
  std::ofstream(folder.file("plan.yaml")) << "title: T\nmodel: mixtral-8x7b\nseed: 1\nsize:\n  workload: {kind: "
                                             "poisson, rate: 800, input: {kind: fixed, mean: "
                                             "500}, output: {kind: fixed, mean: 100}}\n  targets: {ttft_p90: 3 s, "
                                             "tpot_p90: 80 ms}\n  candidates:\n    nodes: "
                                             "[{node: hgx-h100, nodes: 8}]\n";
  const Plan plan = read_plan(folder.file("plan.yaml"), {}, {});
  const PoolDesign design{.role = serving::Role::both, .data = 4, .slots = 8, .batch = 64, .tokens = 2048};
  const Deployment ten{&plan.nodes[0], "vllm", {design}, {10}}, eleven{&plan.nodes[0], "vllm", {design}, {11}};
  const Terms terms{.end_to_end = 3.5};
  const Verdict few = judge(plan, ten, terms), enough = judge(plan, eleven, terms);
  EXPECT_FALSE(few.met) << few.figures.latency[latency_index("ttft_p90")];
  EXPECT_GT(few.stretch, 1);
  EXPECT_TRUE(enough.met);
  EXPECT_LT(enough.figures.latency[latency_index("ttft_p90")], 0.5);
}

/// Twice what an instance can do piles up, whatever its latencies are bounded by, and is not served.
TEST(Verdict, OfRequestsThatPileUpIsThatTheyAreNotServed) {
  const TemporaryFolder folder;
  Plan plan = read_unhurried(folder, 2);
  const PoolDesign design{.role = serving::Role::both, .data = 8, .slots = 64, .batch = 16, .tokens = 2048};
  const Deployment d{&plan.nodes[0], "sglang", {design}, {1}};
  plan.section.targets.latency = {};
  plan.section.targets.latency[latency_index("e2e_p90")] = 100000_s;
  EXPECT_TRUE(judge(plan, d, {.end_to_end = 1}).met);
  const Verdict over = judge(plan, d, {.end_to_end = 1, .load = 200});
  EXPECT_GT(over.figures.piled_up, 0.1);
  EXPECT_FALSE(over.met);
  EXPECT_EQ(tightest(over.standings)->target, "served");
  EXPECT_NE(over.figures.warnings.find("saturated"), std::string::npos) << over.figures.warnings;
}
}  // namespace
}  // namespace moesim::sizing
