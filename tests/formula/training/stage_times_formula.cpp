// Times of stages taken from a simulated step, and the same schedule at these times alone.
#include <gtest/gtest.h>

#include "training/stage_times.h"

namespace moesim::training {
namespace {
/// Dense layers on one node, no data parallelism: nothing but stages and messages takes time.
struct Stepped {
  schedule::ScheduleTiming timing;
  Time pipeline{};
  schedule::ScheduleCosts costs;
};
Stepped stepped(const std::string& schedule) {
  const Config scenario = Config::from_text(
      "model: {extends: llama-2-7b, layers: 8}\ncluster: {node: hgx-h800, nodes: 1, fabric: ib-rail}\nnetwork: "
      "bottleneck\ntraining: {sequence: 1024, batch: 16, gpus: 4, operator_time: 0 s, parallel: {pipeline: 4, zero: "
      "0}, "
      "schedule: " +
          schedule + "}\n",
      "stages.yaml");
  TrainingSetup setup(scenario, 1);
  const schedule::StepOutcome step = setup.run(0, nullptr);
  Stepped out{{}, pipeline_end(step), stage_times(setup, step)};
  out.timing = schedule::time_schedule(setup.plan().schedule, out.costs);
  return out;
}

TEST(StageTimes, TimeTheSamePipelineAsTheSimulation) {
  for (const std::string kind : {"gpipe", "1f1b", "{kind: interleaved_1f1b, chunks: 2}", "zb_h1", "zb_v"}) {
    const Stepped s = stepped(kind);
    EXPECT_EQ(s.timing.end, s.pipeline) << kind;
    EXPECT_GT(s.costs.send.v, 0) << kind;
  }
}

TEST(StageTimes, AreOfTheWorkThatTheScheduleHas) {
  const Stepped whole = stepped("1f1b"), split = stepped("zb_h1");
  for (std::size_t stage = 0; stage < 4; ++stage) {
    const schedule::StageCosts &w = whole.costs.stages[stage], &s = split.costs.stages[stage];
    EXPECT_EQ(w.forward, s.forward);
    EXPECT_EQ(w.backward, s.backward_input + s.weight);
    EXPECT_EQ(w.weight, Time{});
    EXPECT_EQ(s.backward, Time{});
  }
}

// Gradients of inputs take longer than forwards here: attention computes its scores again.
TEST(StageTimes, AreWhatZeroBubbleOrdersAreWrittenFor) {
  for (const std::string kind : {"zb_v", "v_half", "v_min"})
    EXPECT_LE(stepped(kind).pipeline,
              stepped("{kind: " + kind + ", forward: 1, backward_input: 1, weight: 1}").pipeline)
        << kind;
}
}  // namespace
}  // namespace moesim::training
