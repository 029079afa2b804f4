// Hiding communication of data and tensor parallelism never costs, and never hides more than there is.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "core/random.h"
#include "training/step.h"

namespace moesim::training {
namespace {
/// Seconds of a step, and what its GPUs spent on average.
StepFigures run(const std::string& training) {
  const Config scenario = Config::from_text(
      "model: {extends: mixtral-8x7b, layers: 8, moe: {expert_width: 2048}}\ncluster: h800-32\ntraining: {sequence: "
      "1024, batch: 64, recompute: selective, " +
          training + "}\n",
      "hiding.yaml");
  TrainingSetup setup(scenario, 3);
  const schedule::StepOutcome step = setup.run(0, nullptr);
  return figures_of(setup.plan(), {step});
}
double computing(const StepFigures& f) {
  using enum schedule::Spent;
  double sum = 0;
  for (const schedule::Spent kind : {forward, backward, weight, overlapped}) sum += f.spent[std::size_t(kind)];
  return sum;
}

TEST(HidingLaw, GradientsAndParametersBesideComputeAreNeverSlower) {
  Random random(13, "hiding");
  for (int i = 0; i < 24; ++i) {
    const int pipeline = 1 << random.below(3), zero = int(random.below(4));
    const bool wide = pipeline < 4 && random.below(2) == 1;
    const std::string schedule = pipeline == 1          ? "1f1b"
                                 : random.below(2) == 1 ? "{kind: interleaved_1f1b, chunks: 2}"
                                 : random.below(2) == 1 ? "zb_h1"
                                                        : "1f1b";
    const std::string mapping =
        fmt::format("schedule: {}, parallel: {{pipeline: {}, tensor: {}, expert: {}, zero: {}}}", schedule, pipeline,
                    wide ? 2 : 1, wide ? 8 : 4, zero);
    SCOPED_TRACE(mapping);
    const StepFigures hidden = run(mapping),
                      exposed = run(mapping + ", gradient_reduction: exposed, parameter_gathering: exposed");
    // Apart from the SMs that it takes, once on each rank, hiding is faster.
    const double slower = pipeline * std::max(0.0, computing(hidden) - computing(exposed));
    EXPECT_LT(hidden.step_time, exposed.step_time + slower);
    // The same kernels run; what is hidden lies beside some of them and takes 24 of their SMs at most.
    EXPECT_GE(computing(hidden) / computing(exposed), 1 - 1e-9);
    EXPECT_LE(computing(hidden) / computing(exposed), 132.0 / (112 - 24));
    if (pipeline == 1) {
      EXPECT_LT(hidden.step_time, exposed.step_time);
      EXPECT_LE(exposed.step_time - hidden.step_time,
                hidden.step_time - hidden.spent[std::size_t(schedule::Spent::optimizer)]);
    }
  }
}

TEST(HidingLaw, ShardingMoreNeverMovesLess) {
  double before = 0;
  for (int zero = 1; zero <= 3; ++zero) {
    const StepFigures f = run(fmt::format(
        "parallel: {{expert: 4, zero: {}}}, gradient_reduction: exposed, parameter_gathering: exposed", zero));
    EXPECT_GE(f.spent[std::size_t(schedule::Spent::exposed_communication)], before) << zero;
    before = f.spent[std::size_t(schedule::Spent::exposed_communication)];
  }
}

TEST(HidingLaw, TensorParallelismInStepWithItsProductsHidesSomeOfIt) {
  for (const int tensor : {2, 4, 8}) {
    const std::string mapping = fmt::format("parallel: {{tensor: {}, expert: 4}}", tensor);
    const StepFigures bare = run(mapping), hidden = run(mapping + ", tensor_overlap: true");
    EXPECT_LT(hidden.step_time, bare.step_time) << tensor;
    EXPECT_NEAR(computing(hidden) / computing(bare), 1, 1e-9) << tensor;
  }
}

TEST(HidingLaw, KeysAndValuesBesideTheCoreAreNeverSlower) {
  for (const int context : {2, 4, 8}) {
    const std::string mapping = fmt::format("parallel: {{context: {}, expert: 4}}", context);
    const StepFigures hidden = run(mapping), bare = run(mapping + ", context_overlap: false");
    EXPECT_LT(hidden.step_time, bare.step_time) << context;
    EXPECT_NEAR(computing(hidden) / computing(bare), 1, 1e-9) << context;
  }
}
}  // namespace
}  // namespace moesim::training
