// What a whole run writes: sums that must come out whatever breaks when, and the same from the table of incidents.
#include <gtest/gtest.h>

#include <cmath>

#include "support/pin.h"
#include "unit_study.h"

namespace moesim::training {
namespace {
using test::pin;
constexpr double kHour = 3600;
constexpr double kStep = 3 * (kLayerFlops + kHeadFlops) / 1e12 + 3.5 * kAttention / 1e12;  // of a sequence

/// 10,000 steps of one sequence each on two GPUs that share the batch.
std::unique_ptr<results::Results> whole_run(const std::string& run) {
  return study("sequence: 512, batch: 2, run: {tokens: 1.024e7, " + run + "}", {.gpus = 2});
}
double of_incidents(results::Results& r, const std::string& what) {
  return std::stod(r.database().value("SELECT " + what + " FROM incident").value_or("0"));
}

TEST(RunFiguresFormula, WithoutFailuresARunIsItsStepsAndCheckpoints) {
  const auto r = whole_run("checkpoint: {interval_hours: 1, pause: 60}, power_share: 0.5");
  const double working = 10'000 * kStep;  // about 2.9 hours: saved twice
  const double seconds = working + 2 * 60;
  pin(*r, "run_steps", "run", 10'000);
  pin(*r, "run_tokens", "run", 1.024e7);
  pin(*r, "run_checkpoint_time", "run", 120);
  pin(*r, "run_days", "run", seconds / 86400, 1e-4);
  pin(*r, "run_tokens_per_day", "run", 1.024e7 / (seconds / 86400), 1e-4);
  EXPECT_DOUBLE_EQ(r->metric_value("run_tokens_per_day") * r->metric_value("run_days"), 1.024e7);
  pin(*r, "run_goodput", "run", working / seconds, 1e-4);
  pin(*r, "run_gpu_hours", "run", 2 * seconds / kHour, 1e-4);
  pin(*r, "run_cost", "run", 2 * seconds / kHour * 2, 1e-4);    // 2 USD a GPU-hour
  pin(*r, "run_energy", "run", 2 * seconds * 500 * 0.5, 1e-4);  // half of 500 W each
}

// 20,000 sequences while the batch grows from two to four, two a step for the first half and three for the other, then
// 10,000 at four.  Steps have nothing fixed: a sequence takes as long in any batch, and two GPUs share them.
TEST(RunFiguresFormula, AGrowingBatchAndALaterPhaseTakeTheTimeOfTheirSequences) {
  const auto r = study(
      "sequence: 512, batch: 4, run: {tokens: 1.024e7, ramp: {from: 2, tokens: 1.024e7}, phases: [{sequence: 512, "
      "batch: 4, tokens: 5.12e6}]}",
      {.gpus = 2});
  pin(*r, "run_days", "run", 30'000 * kStep / 2 / 86400, 1e-3);
  EXPECT_NEAR(r->metric_value("run_steps"), 10'000 / 2 + 10'000 / 3.0 + 10'000 / 4, 3);
}

// A failure every quarter of an hour, a tenth of one until it goes on.
TEST(RunFiguresFormula, EveryFailureCostsItsRestartAndWhatWasNotSaved) {
  for (const char* kind : {"gpu", "nic", "node"}) {
    const auto r =
        whole_run(fmt::format("checkpoint: {{interval_hours: 0.05, pause: 1}}, failures: {{{}_mtbf_hours: "
                              "0.25, restart_hours: 0.1, spare_nodes: 1000}}",
                              kind));
    const double failures = of_incidents(*r, "count(*)"), working = 10'000 * kStep;
    ASSERT_GE(failures, 5) << kind;
    if (kind == std::string("gpu")) pin(*r, "run_gpu_failures", "run", of_incidents(*r, "count(*)"));
    if (kind == std::string("nic")) pin(*r, "run_nic_failures", "run", of_incidents(*r, "count(*)"));
    if (kind == std::string("node")) pin(*r, "run_node_failures", "run", of_incidents(*r, "count(*)"));
    pin(*r, "run_restart_time", "run", failures * 0.1 * kHour);
    // All time that is neither steps that count nor standing still was worked for nothing.
    const double seconds = r->metric_value("run_days") * 86400;
    pin(*r, "run_lost_time", "run", seconds - working - r->metric_value("run_checkpoint_time") - failures * 0.1 * kHour,
        1e-3);
    EXPECT_NEAR(r->metric_value("run_lost_time"), of_incidents(*r, "sum(lost)"), 1e-6);
    // Never more than what lies between two checkpoints, and a step.
    EXPECT_LE(r->metric_value("run_lost_time"), failures * (0.05 * kHour + 2 * kStep));
    EXPECT_NEAR(r->metric_value("run_goodput"), working / seconds, 1e-4);
    EXPECT_GT(r->metric_value("run_steps"), 10'000) << "what was lost is done again";
  }
}

// Spare nodes are paid for as long as the run lasts, whether it takes them or not.
TEST(RunFiguresFormula, SpareNodesArePaidForAsThoseThatTrain) {
  const auto alone = whole_run("checkpoint: {interval_hours: 1}"),
             three = whole_run("checkpoint: {interval_hours: 1}, failures: {spare_nodes: 3}");
  pin(*alone, "run_paid_gpus", "run", 2);
  pin(*three, "run_paid_gpus", "run", 2 * (1 + 3));
  pin(*three, "run_cost", "run", 4 * alone->metric_value("run_cost"));
  pin(*three, "run_gpu_hours", "run", alone->metric_value("run_gpu_hours"));
}

// Half an hour's pause after every twentieth of one: failures fall into pauses, which end there.
TEST(RunFiguresFormula, AFailureEndsThePauseItFallsInto) {
  const auto r = whole_run(
      "checkpoint: {interval_hours: 0.05, pause: 1800}, failures: {gpu_mtbf_hours: 4, restart_hours: 0.1, spare_nodes: "
      "1000}");
  const double failures = of_incidents(*r, "count(*)"), pauses = r->metric_value("run_checkpoint_time") / 1800;
  ASSERT_GE(failures, 5);
  EXPECT_GT(std::abs(pauses - std::round(pauses)), 1e-3) << "no pause was cut short";
  pin(*r, "run_lost_time", "run",
      r->metric_value("run_days") * 86400 - 10'000 * kStep - r->metric_value("run_checkpoint_time") -
          failures * 0.1 * kHour,
      1e-2);
}

// No spare: each failure waits two hours for its own node's repair.
TEST(RunFiguresFormula, WithoutSparesEveryFailureWaitsForItsRepair) {
  const auto r =
      whole_run("failures: {gpu_mtbf_hours: 1, restart_hours: 0, repair_hours: 2}, checkpoint: {interval_hours: 0.05}");
  const double failures = of_incidents(*r, "count(*)");
  ASSERT_GE(failures, 2);
  pin(*r, "run_waiting_time", "run", failures * 2 * kHour);
}

// At half speed a step takes twice as long.  Found after half an hour, half of which was lost.
TEST(RunFiguresFormula, AStragglerCostsHalfOfTheTimeUntilItIsFound) {
  const auto r = whole_run(
      "checkpoint: {interval_hours: 1000}, failures: {restart_hours: 0, spare_nodes: 1000}, stragglers: "
      "{gpu_mtbf_hours: "
      "1, detect_hours: 0.5, speed: 0.5}");
  const double found = of_incidents(*r, "count(*)");
  ASSERT_GE(found, 2);
  pin(*r, "straggler_step_factor", "run", 2, 1e-3);
  // Each that was found cost a quarter of an hour; one that was slow when the run ended, less.
  const double lost = r->metric_value("run_straggling_time"), each = 0.25 * kHour;
  EXPECT_GE(lost, found * (each - 2 * kStep));
  pin(*r, "run_stragglers", "run", std::ceil(lost / each - 0.01));
  pin(*r, "run_straggling_time", "run", r->metric_value("run_days") * 86400 - 10'000 * kStep, 1e-3);
}
}  // namespace
}  // namespace moesim::training
