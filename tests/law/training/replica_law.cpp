// What a linear programme before every dispatch costs a training step: at most its time in every layer that each GPU
// runs.
#include <gtest/gtest.h>

#include "training/step.h"

namespace moesim::training {
namespace {
double seconds_of(const std::string& placement) {
  const Config scenario = Config::from_text(
      "model: {extends: mixtral-8x7b, layers: 4, moe: {expert_width: 2048}}\ncluster: h800-32\nrouting: {kind: "
      "log_normal, sigma: 1}\nplacement: {strategy: eplb, slots: " +
          placement + "}\ntraining: {sequence: 1024, batch: 64, parallel: {expert: 4}}\n",
      "replica.yaml");
  TrainingSetup setup(scenario, 3);
  const schedule::StepOutcome step = setup.run(0, nullptr);
  return figures_of(setup.plan(), {step}).step_time;
}

TEST(ReplicaLaw, TheLinearProgrammeIsWaitedForBeforeEveryDispatchOfTheForwardPass) {
  const double free = seconds_of("12, replica_choice: {kind: balanced, solve_time: 0 s}"),
               slow = seconds_of("12, replica_choice: {kind: balanced, solve_time: 1 ms}"),
               slower = seconds_of("12, replica_choice: {kind: balanced, solve_time: 3 ms}");
  // 2 micro-batches of 4 layers on every GPU: of the first millisecond others' work may hide a part.
  EXPECT_GT(slow, free);
  EXPECT_NEAR(slower - slow, 2 * 4 * 2e-3, 2 * 4 * 0.2e-3);
  EXPECT_EQ(seconds_of("8, replica_choice: {kind: balanced, solve_time: 3 ms}"),
            seconds_of("8, replica_choice: {kind: balanced, solve_time: 0 s}"))
      << "no expert has copies";
}
}  // namespace
}  // namespace moesim::training
