// A whole run with stragglers against sums worked out by hand.
#include <gtest/gtest.h>

#include "training/campaign.h"
#include "training/rank_holds.h"
#include "training/step.h"

namespace moesim::training::campaigns {
namespace {
constexpr double kHour = 3600;

CampaignSection with_stragglers(double detect_hours) {
  CampaignSection s;
  s.checkpoint.interval_hours = 1e6;  // none but those that replacing a straggler makes
  s.checkpoint.pause = 0;
  s.failures.restart_hours = 0.5;
  s.failures.spare_nodes = 1000;  // nobody waits for a repair
  s.stragglers.gpu_mtbf_hours = 10;
  s.stragglers.detect_hours = detect_hours;
  return s;
}

// Steps of 1 s take 1.5 s while a GPU is slow.  Found after two hours: 4,800 such steps, each with 0.5 s too many.
TEST(Campaign, AStragglerCostsWhatItsStepsTakeBeyondTheirTimeUntilItIsFound) {
  const CampaignPart part{.tokens = 1e6, .sequence = 1, .batch = 1, .step = {.fixed = 1}};
  const CampaignOutcome run = play_campaign({part}, with_stragglers(2), 1, 1, 1, 1.5, 1);
  ASSERT_GE(run.stragglers, 10);
  const double count = double(run.stragglers);
  EXPECT_EQ(run.steps, 1'000'000);
  EXPECT_NEAR(run.productive, 1e6, 1e-3);
  EXPECT_LE(run.straggling, count * (2400 + 1));
  EXPECT_GE(run.straggling, (count - 1) * (2400 - 1));  // the last may be slow when the run ends
  EXPECT_LE(run.restarting, count * kHour / 2 + 1e-6);
  EXPECT_GE(run.restarting, (count - 1) * kHour / 2 - 1e-6);
  EXPECT_NEAR(run.seconds, run.productive + run.straggling + run.restarting, 1e-3);
}

// Twice the hours, twice the time lost to each.
TEST(Campaign, StragglersFoundLaterCostInProportion) {
  const CampaignPart part{.tokens = 1e6, .sequence = 1, .batch = 1, .step = {.fixed = 1}};
  for (const double hours : {0.5, 1.0, 4.0}) {
    const CampaignOutcome run = play_campaign({part}, with_stragglers(hours), 1, 1, 1, 2, 3);
    ASSERT_GE(run.stragglers, 5) << hours;
    EXPECT_NEAR(run.straggling / double(run.stragglers), hours * kHour / 2,
                hours * kHour / 2 / double(run.stragglers) + 2)
        << hours;
  }
}

TrainingPlan mixtral(const std::string& parallel) {
  return read_plan(
      Config::from_text("model: mixtral-8x7b\ncluster: h800-32\ntraining: {batch: 64, state: {weights: bf16, "
                        "master: fp32, moments: bf16}, parallel: {" +
                            parallel + "}}\n",
                        "test.yaml"));
}

// 3 x 4096 x 14336 parameters an expert; without ZeRO a parameter takes 2 bytes, 4 of its master and 2 x 2 of moments.
TEST(Plan, GpusThatShareAnExpertsWidthHoldAndMoveTheirPart) {
  const double expert = 3.0 * 4096 * 14336;
  for (const int shared : {1, 2, 4}) {
    const TrainingPlan plan = mixtral("zero: 0, expert: 4, expert_tensor: " + std::to_string(shared));
    EXPECT_EQ(double(moved_expert_bytes(plan).v), expert / shared * 10) << shared;
    const BlockParameters layer = block_parameters(plan, {.kind = PlanBlock::Kind::layer, .layer = 0, .moe = true});
    EXPECT_DOUBLE_EQ(layer.experts, 8.0 / 4 * expert / shared) << shared;
  }
}
}  // namespace
}  // namespace moesim::training::campaigns
