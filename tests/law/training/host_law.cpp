// Recipes and the host: what never gets slower or faster by them.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <string_view>

#include "training/step.h"

namespace moesim::training::hosts {
namespace {
/// Collectives lie beside nothing: what they would lie beside depends on when the host launches it.
StepFigures run(const std::string& more, const std::string& gpu = "h800-32") {
  const Config scenario =
      Config::from_text("model: {extends: mixtral-8x7b, layers: 4, moe: {expert_width: 2048}}\ncluster: " + gpu +
                            "\ntraining: {sequence: 1024, batch: 64, parallel: {pipeline: 2, expert: 4}, "
                            "gradient_reduction: exposed, parameter_gathering: exposed" +
                            more + "}\n",
                        "host.yaml");
  TrainingSetup setup(scenario, 3);
  return figures_of(setup.plan(), {setup.run(0, nullptr)});
}
double of(const StepFigures& f, schedule::Spent kind) { return f.spent[std::size_t(kind)]; }
double computing(const StepFigures& f) {
  using enum schedule::Spent;
  return of(f, forward) + of(f, backward) + of(f, weight) + of(f, overlapped);
}

TEST(HostLaw, ASlowerHostIsNeverFasterAndKernelsStayWhatTheyAre) {
  for (const char* rows : {"", ", capacity: {factor: 1}"}) {
    StepFigures before = run(fmt::format(", operator_time: 0 us{}", rows));
    EXPECT_EQ(of(before, schedule::Spent::host), 0);
    const double kernels = computing(before);
    for (const int us : {5, 20, 100, 1000}) {
      const StepFigures f = run(fmt::format(", operator_time: {} us{}", us, rows));
      EXPECT_GE(f.step_time, before.step_time * (1 - 1e-12)) << us;
      EXPECT_NEAR(computing(f), kernels, 1e-9 * kernels) << us;
      before = f;
    }
    // All that is left of a slow host's step is what it takes.
    EXPECT_GT(of(before, schedule::Spent::host), 0.5 * before.step_time);
  }
}

TEST(HostLaw, HalfTheHostTimeIsHalfTheStepWhereTheHostIsAllThereIs) {
  const double slow = run(", capacity: {factor: 1}, operator_time: 20 ms").step_time,
               slower = run(", capacity: {factor: 1}, operator_time: 40 ms").step_time;
  EXPECT_NEAR(slower / slow, 2, 0.02);
}

TEST(HostLaw, ReadingCountsIsNeverFasterThanPaddedRowsOfTheSameNumber) {
  // A capacity that no expert reaches drops nothing.
  const std::string slow = ", operator_time: 100 us";
  EXPECT_GE(run(slow).step_time, run(slow + ", capacity: {factor: 1000}").step_time);
}

TEST(HostLaw, GraphsTakeTheHostAway) {
  const std::string slow = ", capacity: {factor: 1}, operator_time: 200 us, graphs: ";
  const double none = run(slow + "none").step_time, attention = run(slow + "attention").step_time,
               whole = run(slow + "whole").step_time;
  EXPECT_LT(attention, none);
  EXPECT_LT(whole, attention);
  EXPECT_LT(of(run(", capacity: {factor: 1}, graphs: whole"), schedule::Spent::host), 1e-3 * whole);
}

TEST(HostLaw, ExpertsOneByOneAreNeverFaster) {
  const std::string slow = ", operator_time: 200 us, expert_by_expert: ";
  EXPECT_GT(run(slow + "true").step_time, run(slow + "false").step_time);
}

TEST(RecipeLaw, BlocksIsWhatNoRecipeIs) {
  EXPECT_EQ(run(", precision: {linear: fp8, recipe: blocks}").step_time, run(", precision: {linear: fp8}").step_time);
}

TEST(RecipeLaw, ADelayedScaleIsFasterThanACurrentOne) {
  // The same stages: another cut is another question.
  const auto step = [](std::string_view recipe) {
    return run(fmt::format(", layers: [2, 2], precision: {{linear: fp8, recipe: {}}}", recipe)).step_time;
  };
  EXPECT_LT(step("delayed"), step("current"));
}
}  // namespace
}  // namespace moesim::training::hosts
