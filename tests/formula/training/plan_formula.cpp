// Plans and costs against numbers worked out by hand.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "spec/count.h"
#include "support/refusal.h"
#include "training/campaign.h"
#include "training/rank_holds.h"
#include "training/step.h"

namespace moesim::training::plans {
namespace {
Config scenario(const std::string& training, const std::string& model, const std::string& cluster,
                const std::string& more = "") {
  return Config::from_text("model: " + model + "\ncluster: " + cluster + "\n" + more + "training: {" + training + "}\n",
                           "test.yaml");
}

TEST(Plan, DeepSeekV3HasTwoFoldedReplicasAnd120MicroBatches) {
  const Config c =
      scenario("batch: 15360, parallel: {pipeline: 16, expert: 64}, schedule: dualpipe", "deepseek-v3", "h800-2048");
  TrainingPlan plan = read_plan(c);
  EXPECT_EQ(plan.gpus_per_stage, 128);
  EXPECT_EQ(plan.data, 128);
  EXPECT_EQ(plan.expert_data, 2);
  EXPECT_EQ(plan.micro_batches, 120);
  EXPECT_EQ(plan.members, 64);
  EXPECT_EQ(plan.replicas, 1);
  EXPECT_EQ(plan.tokens_per_step(), 15360 * 4096);
  // Equal costs: 61 layers over 16 stages, with the embedding before the first and head and MTP after the last.
  split_layers(plan, c, [](const PlanBlock& b) { return b.kind == PlanBlock::Kind::layer ? 1.0 : 0.0; });
  int layers = 0;
  for (const auto& stage : plan.stages) {
    const auto here = std::ranges::count_if(stage, [](const PlanBlock& b) { return b.kind == PlanBlock::Kind::layer; });
    EXPECT_LE(here, 4);
    layers += int(here);
  }
  EXPECT_EQ(layers, 62);  // the MTP module's among them
  EXPECT_EQ(plan.stages.front().front().kind, PlanBlock::Kind::embedding);
  EXPECT_EQ(plan.stages.back().back().kind, PlanBlock::Kind::head);
}

TEST(Plan, ParametersOfAllBlocksAddUpToTheModels) {
  for (const char* model : {"deepseek-v2-lite", "mixtral-8x7b", "llama-2-7b", "qwen3-30b-a3b"}) {
    const Config c = scenario("batch: 32, parallel: {expert: 1}", model, "h800-32");
    TrainingPlan plan = read_plan(c);
    split_layers(plan, c, [](const PlanBlock&) { return 1.0; });
    double sum = 0;
    for (const auto& stage : plan.stages)
      for (const PlanBlock& b : stage) {
        const BlockParameters p = block_parameters(plan, b);
        sum += p.dense + p.experts;
      }
    EXPECT_NEAR(sum / double(spec::count_parameters(plan.model).total()), 1, 1e-4) << model;
  }
}

TEST(Plan, CutsSoThatTheSlowestStageIsFastest) {
  const Config c = scenario("batch: 32, parallel: {pipeline: 4}", "llama-2-7b", "h800-32");
  TrainingPlan plan = read_plan(c);
  // 32 layers of 1 and a head of 4: 36 over 4 stages are 9 each.
  split_layers(plan, c, [](const PlanBlock& b) {
    return b.kind == PlanBlock::Kind::layer ? 1.0 : b.kind == PlanBlock::Kind::head ? 4.0 : 0.0;
  });
  std::vector<std::size_t> sizes;
  for (const auto& stage : plan.stages) sizes.push_back(stage.size());
  EXPECT_EQ(sizes, (std::vector<std::size_t>{10, 9, 9, 6}));  // with embedding and head
}

TEST(Plan, EmbeddingAndLossMayCountAsLayers) {
  const auto layers_of = [](const std::string& more) {
    const Config c = scenario("batch: 256, parallel: {pipeline: 4}, schedule: {kind: interleaved_1f1b, chunks: " + more,
                              "{extends: qwen3-30b-a3b, layers: 22}", "h800-32");
    TrainingPlan plan = read_plan(c);
    split_layers(plan, c, [](const PlanBlock&) { return 1.0; });
    EXPECT_EQ(plan.stages.front().front().kind, PlanBlock::Kind::embedding);
    EXPECT_EQ(plan.stages.back().back().kind, PlanBlock::Kind::head);
    std::vector<std::ptrdiff_t> out;
    for (const auto& stage : plan.stages)
      out.push_back(std::ranges::count_if(stage, [](const PlanBlock& b) { return b.kind == PlanBlock::Kind::layer; }));
    return out;
  };
  // 22 layers, embedding and loss are 24: 12 stages of 2, or 24 of 1.
  std::vector<std::ptrdiff_t> expected(12, 2);
  expected.front() = expected.back() = 1;
  EXPECT_EQ(layers_of("3}, ends_as_layers: true"), expected);
  expected.assign(24, 1);
  expected.front() = expected.back() = 0;
  EXPECT_EQ(layers_of("6}, ends_as_layers: true"), expected);
  EXPECT_EQ(layers_of("2}, layers: [0, 4, 4, 4, 4, 4, 2, 0]"), (std::vector<std::ptrdiff_t>{0, 4, 4, 4, 4, 4, 2, 0}));
}

TEST(Plan, HeadsShareTheLastStageUnlessTheyAreToBeApart) {
  // 4 layers of 1, two heads of 4, an MTP layer of 1: the heads together are 9, apart no stage needs more than 4.
  const auto heads_of = [](const std::string& where) {
    const Config c = scenario("batch: 32, parallel: {pipeline: 4}, heads: " + where,
                              R"({extends: deepseek-v3, layers: 4})", "h800-32");
    TrainingPlan plan = read_plan(c);
    split_layers(plan, c, [](const PlanBlock& b) {
      return b.kind == PlanBlock::Kind::layer ? 1.0 : b.kind == PlanBlock::Kind::head ? 4.0 : 0.0;
    });
    std::vector<std::ptrdiff_t> out;
    for (const auto& stage : plan.stages)
      out.push_back(std::ranges::count_if(stage, [](const PlanBlock& b) { return b.kind == PlanBlock::Kind::head; }));
    return out;
  };
  EXPECT_EQ(heads_of("together"), (std::vector<std::ptrdiff_t>{0, 0, 0, 2}));
  EXPECT_EQ(heads_of("apart"), (std::vector<std::ptrdiff_t>{0, 1, 0, 1}));
}

TEST(Plan, ExpertGroupsTakeSixtyFourOfARacksSeventyTwoGpus) {
  const std::string training = "batch: 256, gpus_per_node: 64, parallel: {pipeline: 4, expert: 64}";
  const TrainingPlan plan =
      read_plan(scenario(training, "deepseek-v3", "{node: gb200-nvl72, nodes: 4, fabric: ib-rail}"));
  EXPECT_EQ(plan.gpus, 256);
  EXPECT_EQ(plan.cluster.node.gpus, 64);
  EXPECT_EQ(plan.cluster.node.nics, 64);
  EXPECT_EQ(plan.gpus_per_stage, 64);
}

TEST(Plan, SharersOfAnExpertComputeTheRowsOfAllOfThem) {
  // 512 tokens a micro-batch, top 2.  Alone a GPU feeds and computes 1024 rows; half of them with its attention split
  // in two; twice that again where two share the width of each expert.
  const auto rows = [](const std::string& parallel) {
    const Config c = scenario("sequence: 512, batch: 32, parallel: {" + parallel + "}", "mixtral-8x7b", "h800-32");
    TrainingPlan plan = read_plan(c);
    split_layers(plan, c, [](const PlanBlock&) { return 1.0; });
    return rank_holds(plan, 0, 1).rows;
  };
  EXPECT_EQ(rows("expert: 8"), 1024);
  EXPECT_EQ(rows("expert: 8, tensor: 2"), 512);
  EXPECT_EQ(rows("expert: 4, expert_tensor: 2"), 2048);
  EXPECT_EQ(rows("expert: 4, expert_tensor: 2, tensor: 2"), 1024);
}

CampaignSection quiet() {
  CampaignSection s;
  s.tokens = 1000;
  s.checkpoint.interval_hours = 1e9;
  return s;
}

TEST(Campaign, WithoutFailuresItTakesItsSteps) {
  CampaignSection s = quiet();
  const CampaignOutcome out = play_campaign({{1000, 10, 5, 0, 0, {2, 0}}}, s, 8, 8, 1, 1, 1);
  EXPECT_EQ(out.steps, 20);  // 50 tokens a step
  EXPECT_DOUBLE_EQ(out.seconds, 40);
  EXPECT_DOUBLE_EQ(out.productive, 40);
}

TEST(Campaign, CheckpointsPauseAtTheirInterval) {
  CampaignSection s = quiet();
  s.checkpoint.interval_hours = 8.0 / 3600;  // every 4 steps of 2 s
  s.checkpoint.pause = 3;
  const CampaignOutcome out = play_campaign({{1000, 10, 5, 0, 0, {2, 0}}}, s, 8, 8, 1, 1, 1);
  EXPECT_DOUBLE_EQ(out.seconds, 40 + 5 * 3);
}

TEST(Campaign, TheRampStartsSmallAndGrowsInProportion) {
  CampaignSection s = quiet();
  // Batches of 1 x 10 tokens at first; at 500 tokens and after, 5.
  const CampaignOutcome out = play_campaign({{1000, 10, 5, 1, 500, {0, 1}}}, s, 8, 8, 1, 1, 1);
  EXPECT_GT(out.steps, 20);
  EXPECT_DOUBLE_EQ(out.seconds * 10, out.tokens);  // a second a sequence of 10 tokens
}

TEST(Campaign, ManyStepsAtOnceAreTheStepsOneByOne) {
  CampaignSection s = quiet();
  s.checkpoint.interval_hours = 0.01;  // 36 s
  s.checkpoint.pause = 3;
  for (const int from : {0, 2, 64, 300}) {  // no ramp, up, none, down to 64
    const CampaignPart part{2e6, 16, 64, from, from > 0 ? 1e6 : 0.0, {0.5, 0.125}};
    double tokens = 0, seconds = 0, unsaved = 0;
    std::int64_t steps = 0;
    for (; tokens < part.tokens; ++steps) {
      const int batch = from > 0 && tokens < 1e6 ? from + int((64 - from) * tokens / 1e6) : 64;
      tokens += batch * 16;
      seconds += 0.5 + 0.125 * batch;
      unsaved += 0.5 + 0.125 * batch;
      if (unsaved >= 36) seconds += 3, unsaved = 0;
    }
    const CampaignOutcome out = play_campaign({part}, s, 8, 8, 1, 1, 1);
    EXPECT_EQ(out.steps, steps) << from;
    EXPECT_DOUBLE_EQ(out.tokens, tokens) << from;
    EXPECT_DOUBLE_EQ(out.seconds, seconds) << from;
  }
}

TEST(Campaign, IncidentsAddUpToWhatTheRunLost) {
  CampaignSection s = quiet();
  s.checkpoint.interval_hours = 0.01;
  s.failures.gpu_mtbf_hours = 10, s.failures.node_mtbf_hours = 8, s.failures.restart_hours = 0.001;
  s.failures.repair_hours = 0.05, s.failures.spare_nodes = 1;
  s.stragglers.gpu_mtbf_hours = 20, s.stragglers.detect_hours = 0.02;
  const CampaignOutcome out = play_campaign({{2e6, 10, 50, 0, 0, {2, 0}}}, s, 64, 64, 8, 1.2, 3);
  ASSERT_GT(out.incidents.size(), 10u);
  double lost = 0, waiting = 0, restart = 0, time = 0;
  std::map<std::string_view, std::int64_t> kinds;
  for (const Incident& i : out.incidents) {
    EXPECT_GE(i.time, time);
    EXPECT_LE(i.tokens, out.tokens);
    time = i.time;
    lost += i.lost, waiting += i.waiting, restart += i.restart;
    ++kinds[i.kind];
  }
  EXPECT_NEAR(lost, out.lost, 1e-6 * out.lost);
  EXPECT_NEAR(waiting, out.waiting, 1e-6 * out.seconds);
  EXPECT_NEAR(restart, out.restarting, 1e-6 * out.restarting);
  EXPECT_LE(kinds["gpu"], out.gpu_failures);
  EXPECT_EQ(kinds["gpu"] + kinds["node"] + kinds["straggler"], std::int64_t(out.incidents.size()));
}

TEST(Campaign, TheLongestTakesNoLongerThanItsCheckpoints) {
  CampaignSection s = quiet();
  s.checkpoint.interval_hours = 1e7;
  const CampaignOutcome out = play_campaign({{1e15, 10, 5, 0, 0, {2, 0}}}, s, 8, 8, 1, 1, 1);
  EXPECT_EQ(out.steps, 20'000'000'000'000);  // 50 tokens a step
  EXPECT_NEAR(out.seconds, 4e13, 1);
}

TEST(Campaign, MoreTokensThanAreCountedAreRefused) {
  const auto read = [](const char* text) { (void)read_campaign(Config::from_text(text, "run")); };
  EXPECT_EQ(test::refusal_of([&] { read("{tokens: 2e15}"); }),
            "run:1:10: tokens: expected at most 10^15 tokens, got 2000000000000000");
  EXPECT_EQ(test::refusal_of([&] { read("{tokens: 1, phases: [{sequence: 1, batch: 1, tokens: 1e300}]}"); }),
            "run:1:54: phases[0].tokens: expected at most 10^15 tokens, got 1e+300");
}

TEST(Campaign, FailuresCostWhatWasNotSavedAndTheRestart) {
  CampaignSection s = quiet();
  s.tokens = 1e7;
  s.checkpoint.interval_hours = 0.1;
  s.failures.gpu_mtbf_hours = 8 * 5;  // of 8 GPUs: one in 5 hours
  s.failures.restart_hours = 0.5;
  s.failures.spare_nodes = 1000;
  const CampaignOutcome out = play_campaign({{1e7, 10, 5, 0, 0, {10, 0}}}, s, 8, 8, 1, 1, 7);
  const double hours = out.seconds / 3600;
  EXPECT_GT(out.gpu_failures, 5);
  EXPECT_NEAR(double(out.gpu_failures), hours / 5, 4 * std::sqrt(hours / 5));
  EXPECT_DOUBLE_EQ(out.restarting, double(out.gpu_failures) * 1800);
  EXPECT_NEAR(out.seconds, out.productive + out.lost + out.restarting + out.checkpoints + out.waiting,
              1e-6 * out.seconds);
  EXPECT_LT(out.lost / double(out.gpu_failures), 360 + 10);  // never more than since the last checkpoint
}

TEST(Campaign, WithoutSparesItWaitsForRepairs) {
  CampaignSection s = quiet();
  s.tokens = 1e6;
  s.failures.node_mtbf_hours = 10;
  s.failures.repair_hours = 10;
  s.checkpoint.interval_hours = 0.1;
  const CampaignOutcome alone = play_campaign({{1e6, 10, 5, 0, 0, {10, 0}}}, s, 8, 8, 1, 1, 3);
  s.failures.spare_nodes = 2;
  const CampaignOutcome spared = play_campaign({{1e6, 10, 5, 0, 0, {10, 0}}}, s, 8, 8, 1, 1, 3);
  EXPECT_GT(alone.node_failures, 0);
  EXPECT_NEAR(alone.waiting, double(alone.node_failures) * 36000, 1);
  EXPECT_LT(spared.seconds, alone.seconds);
}
}  // namespace
}  // namespace moesim::training::plans
