// Loads of plans whose means are worked out in the head.
#include <gtest/gtest.h>

#include "sizing/trial.h"
#include "support/temporary_folder.h"

namespace moesim::sizing::loads {
namespace {
Plan plan_of(const std::string& size) {
  const TemporaryFolder folder;
  const std::string file = folder.file("plan.yaml");
  put_file(file, "model: deepseek-v2-lite\nsize:\n  targets: {ttft_p90: 1 s}\n" + size);
  return read_plan(file, {}, {});
}
const std::string kNodes = "  candidates: {nodes: [hgx-h100]}\n";

TEST(Load, OfConversationsCountsTheirLaterTurns) {
  const std::string workload =
      "  workload: {kind: poisson, rate: 2, input: {kind: fixed, mean: 100}, output: {kind: fixed, mean: 10}, "
      "sessions: {turns: 3, count: fixed, pause: 5 s}}\n";
  const Load load = plan_of(workload + kNodes).load;
  EXPECT_NEAR(load.rate, 6, 0.2);      // each of 2 a second comes back twice
  EXPECT_NEAR(load.input, 210, 0.02);  // 100, 210, 320
  EXPECT_NEAR(load.fresh, 100, 1e-6);  // 100 of each are new
  EXPECT_NEAR(load.output, 10, 1e-6);
  EXPECT_NEAR(load.turns, 3, 1e-3);
  EXPECT_NEAR(load.pauses, 10, 0.3);  // two pauses
  const Load forgotten = plan_of(workload + "  candidates: {nodes: [hgx-h100], kv: {prefix_cache: false}}\n").load;
  EXPECT_NEAR(forgotten.fresh, 210, 0.02);  // the last conversation of those looked at is cut short
}

// Two clients ask for prompts of 2 x 400 tokens at once, and for longer ones later.
TEST(Load, OfClientsKnowsHowLongTheirLaterRequestsAre) {
  const Load load = plan_of(
                        "  workload: {kind: closed, clients: 2, input: {kind: exponential, mean: 400}, output: {kind: "
                        "fixed, mean: 10}}\n" +
                        kNodes)
                        .load;
  EXPECT_GT(load.longest, 6 * 400);  // of 20,000: e^-6 of them are longer
  EXPECT_EQ(load.turns, 1);
}

TEST(Load, OfSingleRequestsIsTheirRate) {
  const Load load =
      plan_of("  workload: {kind: poisson, rate: 2, input: {kind: fixed, mean: 100}}\n  growth: 3\n" + kNodes).load;
  EXPECT_NEAR(load.rate, 6, 0.2);
  EXPECT_EQ(load.fresh, load.input);
  EXPECT_EQ(load.turns, 1);
  EXPECT_EQ(load.pauses, 0);
}

TEST(Trial, LastsUntilPercentilesSaySomething) {
  Plan plan;
  plan.load = {.rate = 0.01, .input = 100, .output = 10};
  EXPECT_EQ(trial_for(plan, 2).duration, from_seconds(4003.5));  // 40 requests, after 1.25 x 2 s and 1 s
  plan.section.search.most = 600_s;
  EXPECT_EQ(trial_for(plan, 2).duration, 600_s);
  plan.load.rate = 10;
  EXPECT_EQ(trial_for(plan, 20).duration, 60_s);  // 2.5 x 20 s and 10 s
  EXPECT_EQ(trial_for(plan, 20).warmup, 26_s);    // 1.25 x 20 s and 1 s
}

/// A share 0.1 beyond a p90 is that of 400 requests with a deviation of 0.1 x 0.15: 0.9 x 0.1 / 400 = 0.015^2.
TEST(Trial, HasAsManyRequestsAsPercentilesNeed) {
  Targets t;
  EXPECT_EQ(requests_for(t), 40);
  t.latency[latency_index("tpot_p50")] = 1_s;
  EXPECT_NEAR(requests_for(t), 44.4, 0.1);
  t.latency[latency_index("ttft_p90")] = 1_s;
  EXPECT_NEAR(requests_for(t), 400, 1e-9);
  t.latency[latency_index("ttft_p99")] = 1_s;
  EXPECT_EQ(requests_for(t), 3600);  // of 4,400
  Plan plan;
  plan.load = {.rate = 4, .input = 100, .output = 10};
  plan.section.targets.latency[latency_index("ttft_p90")] = 1_s;
  EXPECT_NEAR(seconds(trial_for(plan, 4).duration), 106, 1e-9);  // 6 s to fill, 400 requests
  EXPECT_NEAR(seconds(trial_for(plan, 4, 2).duration), 212, 1e-9);
  EXPECT_EQ(trial_for(plan, 4, 2).warmup, 12_s);
  plan.load = {.clients = 8, .input = 100, .output = 10};
  EXPECT_NEAR(seconds(trial_for(plan, 4).duration), 206, 1e-9);  // 8 clients ask twice a second
}

TEST(Trial, RunsThroughWholeConversations) {
  Plan plan;
  plan.load = {.rate = 10, .input = 100, .output = 10, .turns = 3, .pauses = 34};
  EXPECT_EQ(trial_for(plan, 2).duration, 110_s);  // 2.5 x (3 x 2 s + 34 s) and 10 s
}
}  // namespace
}  // namespace moesim::sizing::loads
