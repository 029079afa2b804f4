// What an estimate of a training study counts: figures worked out in the head.
#include <gtest/gtest.h>

#include "training/plan.h"

namespace moesim::training {
namespace {
// 8 members on 4 ranks of 4 chunks, 16 micro-batches, 32 MoE layers without a shared expert.
const TrainingCounts kMixtral{.cluster_gpus = 64,
                              .members = 8,
                              .ranks = 4,
                              .chunks = 4,
                              .micro_batches = 16,
                              .layers = 32,
                              .moe_layers = 32,
                              .experts = 8};

TEST(TrainingEstimate, CountsPiecesExchangesAndSends) {
  // A micro-batch: 32 layers x 11, 15 sends each way, 5 for embedding and head; at the end 8 a rank.
  EXPECT_DOUBLE_EQ(estimate(kMixtral, false).events, 8 * (16 * (32 * 11 + 2 * 15 + 5) + 8 * 4));
}

TEST(TrainingEstimate, StepsMultiplyAndAreNamed) {
  TrainingCounts n = kMixtral;
  n.steps = 1e9;
  const Estimate e = estimate(n, false);
  EXPECT_DOUBLE_EQ(e.events, 1e9 * estimate(kMixtral, false).events);
  EXPECT_EQ(e.largest().key, "training.steps");
  EXPECT_EQ(e.events_key, "training.steps");
}

TEST(TrainingEstimate, MicroBatchesTakeTheirCells) {
  TrainingCounts n = kMixtral;
  n.micro_batches = 1e8;
  const Estimate e = estimate(n, false);
  // Programs of 96 bytes a rank and chunk; 5 bytes on each of 8 members, 6 a rank.
  EXPECT_DOUBLE_EQ(e.largest().bytes, 16 * 1e8 * (96 + 8 * 5 + 6));
  EXPECT_EQ(e.largest().key, "training.batch");
}

TEST(TrainingEstimate, OrdersThatFollowTheStagesTakeAShortStepMore) {
  const auto seconds = [](const std::string& schedule) {
    const Config c = Config::from_text(
        "model: llama-2-7b\ncluster: h800-32\ntraining: {batch: 512, parallel: {pipeline: 4}, schedule: " + schedule +
            "}\n",
        "test.yaml");
    return estimate_training(c, false).seconds;
  };
  // 64 micro-batches, and 8 for the times of the stages: an eighth of the events of one schedule and the other.
  const double plain = seconds("1f1b"), follows = seconds("zb_h1");
  EXPECT_GT(follows - plain, (plain - 0.1) / 8 * 0.9);
  EXPECT_LT(follows - plain, (plain - 0.1) / 8 * 1.5);
  EXPECT_GT(seconds("zb_v"), seconds("{kind: zb_v, forward: 1, backward_input: 1, weight: 1}"));
}
}  // namespace
}  // namespace moesim::training
