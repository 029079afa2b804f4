// Training plans: what misses a target, which of two is better, and the least that a run can take.
#include <gtest/gtest.h>

#include "sizing/pretraining/judging.h"

namespace moesim::sizing {
namespace {
constexpr double kDay = 86400;

TEST(Judging, MeetsATargetThatIsJustReached) {
  Job job;
  job.section.targets = {.days = 2, .cost = 100};
  EXPECT_EQ(missed(job, 2, 100, false), "");
  EXPECT_EQ(missed(job, 2.5, 100, false), "deadline: 2.5 days of 2.0 days");
  EXPECT_EQ(missed(job, 2.0001, 100, false), "deadline: 2.0001 of 2 days");
  EXPECT_EQ(missed(job, 2, 120, false), "cost: 120 USD of 100");
  EXPECT_EQ(missed(job, 2, 100.0001, false), "cost: 100.0001 USD of 100");
  EXPECT_EQ(missed(job, 2.5, 100, true), "the whole run: 2.5 days of 2.0 days");
  job.fails = true;
  EXPECT_EQ(missed(job, 2, 120, true), "the run with its failures: 120 USD of 100 in 90 % of its draws");
  job.section.targets.share = 0.875;
  EXPECT_EQ(missed(job, 2, 120, true), "the run with its failures: 120 USD of 100 in 87.5 % of its draws");
  job.section.targets = {};
  EXPECT_EQ(missed(job, 1e9, 1e9, true), "");
}

TEST(Judging, TheFarthestTargetIsHowFarAMappingIs) {
  Job job;
  EXPECT_DOUBLE_EQ(excess(job, 5, 5), 0);
  job.section.targets = {.days = 2, .cost = 100};
  EXPECT_DOUBLE_EQ(excess(job, 3, 120), 1.5);
  EXPECT_DOUBLE_EQ(excess(job, 1, 120), 1.2);
}

TEST(Judging, WithADeadlineTheCheapestIsBetterElseTheShortest) {
  Job job;
  EXPECT_LT(rank_of(job, 1, 9, 8, 1), rank_of(job, 2, 5, 8, 0));
  EXPECT_LT(rank_of(job, 1, 9, 8, 1), rank_of(job, 1, 9, 16, 0)) << "fewer GPUs";
  EXPECT_LT(rank_of(job, 1, 9, 8, 0), rank_of(job, 1, 9, 8, 1)) << "the first";
  job.section.targets.days = 3;
  EXPECT_LT(rank_of(job, 2, 5, 8, 0), rank_of(job, 1, 9, 8, 1));
}

TEST(Judging, OfItsRunsAMappingHasTheBestThatMeets) {
  Job job;
  job.whole_run = job.fails = true;
  job.section.targets.days = 3;
  MappingEntry e;
  const auto run = [](int spares, double days, double cost) {
    DrawnRun out;
    out.spares = spares, out.days = days / 2, out.cost = cost / 2;
    out.within_days = days, out.within_cost = cost;
    return out;
  };
  e.runs = {run(0, 4, 10), run(1, 3, 20), run(2, 2, 30)};
  judge(job, e);
  EXPECT_EQ(e.run->spares, 1);
  EXPECT_EQ(e.fate, MappingFate::meets);
  job.section.targets.days = 0;
  judge(job, e);
  EXPECT_EQ(e.run->spares, 2);
  job.section.targets = {.days = 1, .cost = 15};  // missed 4, 3 and 2 times
  judge(job, e);
  EXPECT_EQ(e.run->spares, 2);
  EXPECT_EQ(e.fate, MappingFate::misses);
  EXPECT_EQ(e.reason, "the run with its failures: 2.0 days of 1.0 days in 90 % of its draws");
}

// Works from 0 to 10 s, from 20 to 30 s, and from 50 s on.
TEST(Judging, ARunTakesAtLeastItsWorkAndWhatInterruptsItMeanwhile) {
  Interruptions known;
  known.add(10, 20), known.add(30, 50);
  const auto seconds = [&](double work) { return known.least_days(work) * kDay; };
  EXPECT_NEAR(seconds(9), 9, 1e-7);
  EXPECT_NEAR(seconds(10), 10, 1e-7);
  EXPECT_NEAR(seconds(11), 21, 1e-7);
  EXPECT_NEAR(seconds(20), 30, 1e-7);
  EXPECT_NEAR(seconds(21), 51, 1e-7);
  EXPECT_LT(seconds(100), 130);
  EXPECT_NEAR(seconds(100), 130, 1e-6);
  EXPECT_NEAR(Interruptions().least_days(7) * kDay, 7, 1e-7);
}

TEST(Judging, TargetsAreHeldAgainstWhatAShareOfTheDrawsTakesAtMost) {
  const std::vector<double> days{7, 1, 10, 4, 9, 2, 8, 3, 6, 5};
  for (const auto& [share, within] : {std::pair(0.9, 9.0), {0.91, 10.0}, {0.5, 5.0}, {0.01, 1.0}, {1.0, 10.0}}) {
    EXPECT_DOUBLE_EQ(spread_of(days, share).within, within) << share;
    EXPECT_DOUBLE_EQ(spread_of(days, share).mean, 5.5);
  }
  EXPECT_DOUBLE_EQ(spread_of({3}, 0.2).within, 3);
}

TEST(Judging, SpareNodesAreOfThoseThatMayBeHad) {
  PricedNode node;
  node.node.gpus = 8, node.choice.most = 7;
  Job job;
  Mapping m{.node = &node, .used_of_node = 4, .nodes = 2};
  EXPECT_EQ(spares_of(job, m), (std::vector<int>{0, 1, 2, 4}));
  node.choice.most = 6;
  EXPECT_EQ(spares_of(job, m), (std::vector<int>{0, 1, 2, 4}));
  node.choice.most = 5;
  EXPECT_EQ(spares_of(job, m), (std::vector<int>{0, 1, 2}));
  job.section.targets.gpus = 12;  // three nodes of which four GPUs are used
  EXPECT_EQ(spares_of(job, m), (std::vector<int>{0, 1}));
  job.spares = {1, 2};
  EXPECT_EQ(spares_of(job, m), std::vector<int>{1});
  job.section.targets.gpus = 11;
  EXPECT_EQ(spares_of(job, m), std::vector<int>{});
  EXPECT_DOUBLE_EQ(paid_gpus(m, 3), 40);
}

TEST(Judging, TokensAreTrainedInWholeSteps) {
  Job job;
  job.step_tokens = 100;
  for (const auto& [tokens, steps] : {std::pair(1.0, 1.0), {100.0, 1.0}, {101.0, 2.0}, {1000.0, 10.0}}) {
    job.section.training.tokens = tokens;
    EXPECT_DOUBLE_EQ(job.steps(), steps);
    EXPECT_DOUBLE_EQ(job.least_steps(), steps);
  }
  job.campaign.ramp = {8, 300};
  EXPECT_DOUBLE_EQ(job.least_steps(), 6);  // seven, of which the ramp may have taken one
}

TEST(Judging, TheScenarioOfARunHasItsSparesAndItsInterval) {
  PricedNode node;
  node.node.gpus = 8, node.text = "box";
  Job job;
  job.section.training.tokens = 1e12;
  const Mapping m{.node = &node, .used_of_node = 8, .nodes = 2, .schedule = "1f1b"};
  const auto run = [&](int spares) {
    const std::string text = run_scenario_text(job, m, spares);
    return text.substr(text.find("  run: "));
  };
  EXPECT_EQ(run(0), "  run: {tokens: 1000000000000}\n");
  job.run = {{"power_share", "1.3"}}, job.checkpoint = {{"pause", "5"}, {"interval_hours", "2"}};
  job.campaign.checkpoint.interval_hours = 2;
  job.failures = {{"spare_nodes", "0"}, {"gpu_mtbf_hours", "9"}};
  EXPECT_EQ(run(3),
            "  run: {tokens: 1000000000000, power_share: 1.3, checkpoint: {pause: 5, interval_hours: 2}, failures: "
            "{gpu_mtbf_hours: 9, spare_nodes: 3}}\n");
}
}  // namespace
}  // namespace moesim::sizing
