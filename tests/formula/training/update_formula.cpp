// The optimiser's bytes, launches and collectives against numbers worked out by hand.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "training/rank_holds.h"
#include "training/step.h"

namespace moesim::training {
namespace {
constexpr double kLaunch = 1e-3, kBandwidth = 3.35e12;  // of the kernel model, of an H800's memory

/// One layer on 8 H800, data-sheet kernels with a launch of 1 ms.
struct Update {
  double parameters = 0;
  double optimizer = 0;  // seconds
};
Update update(const std::string& zero, const std::string& model = "{extends: llama-2-7b, layers: 1}",
              const std::string& expert = "") {
  const Config scenario = Config::from_text(
      "model: " + model +
          "\ncluster: {node: hgx-h800, nodes: 1, fabric: ib-rail}\nkernels: {kind: roofline, launch: 1 ms}\ntraining: "
          "{sequence: 512, batch: 8, state: {weights: bf16, master: fp32, gradients: fp32, moments: bf16}, parallel: "
          "{zero: " +
          zero + expert + "}}\n",
      "update.yaml");
  TrainingSetup setup(scenario, 1);
  Update out;
  for (const PlanBlock& block : setup.plan().stages.front()) {
    const BlockParameters p = block_parameters(setup.plan(), block);
    out.parameters += p.dense + p.experts;
  }
  const schedule::StepOutcome step = setup.run(0, nullptr);
  out.optimizer = seconds(step.gpus[0].spent[std::size_t(schedule::Spent::optimizer)]);
  return out;
}

// A parameter's: norm 4; clipping 4 + 4, AdamW's gradient 4, master 4 + 4 and moments 4 + 4, the copy's 4 + 2.  And all
// gradients are set to zero: 4 more, for every parameter that the GPU holds gradients of.
constexpr double kOwn = 4 + 8 + 4 + 8 + 8 + 6, kZeroed = 4;

TEST(Update, WithoutZeroEveryGpuUpdatesEverything) {
  const Update u = update("0");
  // 9 tensors: embedding, norm, QKV, output, norm, gate-up, down, norm, head.  Norm: its stream and a launch; update:
  // its stream, a launch each for clipping and AdamW, and 9 copies.
  EXPECT_NEAR(u.optimizer, u.parameters * (kOwn + kZeroed) / kBandwidth + kLaunch * (2 + 3 + 9), 1e-6);
}

TEST(Update, ShardsAreUpdatedByTheirOwners) {
  // An eighth each, 2 tensors and one begun by another; gradients are set to zero whole (ZeRO 1), or in shards.
  const Update first = update("1");
  EXPECT_NEAR(first.optimizer, first.parameters * (kOwn / 8 + kZeroed) / kBandwidth + kLaunch * (2 + 3 + 3), 1e-6);
  const Update second = update("2");
  EXPECT_NEAR(second.optimizer, second.parameters * (kOwn + kZeroed) / 8 / kBandwidth + kLaunch * (2 + 3 + 3), 1e-6);
}

TEST(Update, EveryExpertIsTwoTensors) {
  // 8 experts on 4 GPUs are 2 on each, 4 tensors; embedding, norm, QKV, output, norm, gate, norm, head.
  const std::string model = "{extends: mixtral-8x7b, layers: 1}";
  const Update u = update("0", model, ", expert: 4");
  EXPECT_NEAR(u.optimizer, u.parameters * (kOwn + kZeroed) / kBandwidth + kLaunch * (2 + 3 + 8 + 4), 1e-6);
}

TEST(Holds, WhatIsShardedIsWholeForABlockAtATime) {
  const auto buffers = [](int zero) {
    const Config c = Config::from_text(
        fmt::format("model: {{extends: llama-2-7b, layers: 4}}\ncluster: {{node: hgx-h800, nodes: 1, fabric: "
                    "ib-rail}}\ntraining: {{batch: 64, parallel: {{zero: {}}}}}\n",
                    zero),
        "holds.yaml");
    TrainingPlan plan = read_plan(c);
    split_layers(plan, c, [](const PlanBlock&) { return 1.0; });
    return rank_holds(plan, 0, 0).buffers.v;
  };
  // The largest block is a layer: 4 x 4096 x 4096 of attention, 3 x 4096 x 11008 of its feed-forward, two norms.
  const std::int64_t layer = 4 * 4096 * 4096 + 3 * 4096 * 11008 + 2 * 4096;
  EXPECT_EQ(buffers(1), 0);
  EXPECT_EQ(buffers(2), 4 * layer);            // gradients in FP32
  EXPECT_EQ(buffers(3), (4 + 2 * 2) * layer);  // and the weights of two blocks in BF16
}

TEST(Update, BothRanksOfAStageShareItsOptimizer) {
  // 16 GPUs in 2 stages of 8 replicas: with DualPipe each rank holds both stages, and 16 GPUs share each.
  const auto copies = [](const std::string& schedule) {
    const Config c = Config::from_text(
        "model: llama-2-7b\ncluster: {node: hgx-h800, nodes: 2, fabric: ib-rail}\ntraining: "
        "{batch: 64, parallel: {pipeline: 2}, schedule: " +
            schedule + "}\n",
        "update.yaml");
    TrainingPlan plan = read_plan(c);
    split_layers(plan, c, [](const PlanBlock&) { return 1.0; });
    return rank_holds(plan, 0, 0).state.data_parallel;
  };
  EXPECT_EQ(copies("1f1b"), 8);
  EXPECT_EQ(copies("dualpipe"), 16);
  EXPECT_EQ(copies("dualpipev"), 8);
}
}  // namespace
}  // namespace moesim::training
