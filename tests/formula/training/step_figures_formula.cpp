// What a training study writes of its steps, where only FLOPs take time.
#include <gtest/gtest.h>

#include "support/pin.h"
#include "unit_study.h"

namespace moesim::training {
namespace {
using test::pin;
using test::pin_at;
constexpr double kPeak = 1e12;
constexpr double kForward = (kLayerFlops + kHeadFlops + kAttention) / kPeak;
// Gradients of inputs and of weights; attention computes its scores again: five products for two.
constexpr double kBackward = (2 * kLayerFlops + 2 * kHeadFlops + 2.5 * kAttention) / kPeak;

// Eight replicas of two sequences each: every GPU computes two.
TEST(StepFiguresFormula, RatesAreTokensAndFlopsOverTheStep) {
  const auto r = study("sequence: 512, batch: 16", {.gpus = 8});
  const double step = 2 * (kForward + kBackward);
  pin(*r, "step_time", "run", step, 1e-4);
  pin(*r, "forward_time", "run", 2 * kForward, 1e-4);
  pin(*r, "backward_time", "run", 2 * kBackward, 1e-4);
  pin(*r, "gpus", "run", 8);
  pin(*r, "data_parallel", "run", 8);
  pin(*r, "micro_batches", "run", 2);
  pin(*r, "batch_tokens", "run", 16 * 512);
  pin(*r, "layers", "stage:0", 1);
  pin(*r, "cost_per_hour", "run", 8 * 2);
  pin(*r, "tokens_per_gpu_second", "run", 2 * 512 / step, 1e-4);
  pin(*r, "tokens_per_day", "run", 16 * 512 / step * 86400, 1e-4);
  pin(*r, "gpu_hours_per_trillion_tokens", "run", 1e12 / (2 * 512 / step) / 3600, 1e-4);
  // A model's FLOPs are three times its forward pass; half the square of queries and keys is below the diagonal.
  const double products = 3 * 2 * (kLayerFlops + kHeadFlops), square = 3 * 2 * kSequence * kSequence * kPairFlops;
  pin(*r, "tflops_causal", "run", (products + square / 2) / step * 1e-12, 1e-4);
  pin(*r, "tflops_noncausal", "run", (products + square) / step * 1e-12, 1e-4);
  pin(*r, "mfu_bf16_causal", "run", (products + square / 2) / step / kPeak, 1e-4);
  pin(*r, "mfu_bf16_noncausal", "run", (products + square) / step / kPeak, 1e-4);
  pin(*r, "mfu_fp8_causal", "run", (products + square / 2) / step / (2 * kPeak), 1e-4);
  pin(*r, "mfu_fp8_noncausal", "run", (products + square) / step / (2 * kPeak), 1e-4);
}

// One sequence through two stages: each computes while the other waits, the head's stage for longer.
TEST(StepFiguresFormula, OneMicroBatchKeepsAllStagesButOneWaiting) {
  const auto r = study("sequence: 512, batch: 1, layers: [1, 1], parallel: {pipeline: 2}",
                       {.model = "{extends: llama-2-7b, layers: 2}", .gpus = 2});
  const double first = (kLayerFlops + kAttention) / kPeak, last = first + kHeadFlops / kPeak,
               first_back = (2 * kLayerFlops + 2.5 * kAttention) / kPeak,
               last_back = first_back + 2 * kHeadFlops / kPeak;
  const double step = first + last + first_back + last_back;
  pin(*r, "step_time", "run", step, 1e-4);
  pin(*r, "forward_time", "stage:0", first, 1e-4);
  pin(*r, "forward_time", "stage:1", last, 1e-4);
  pin(*r, "backward_time", "stage:1", last_back, 1e-4);
  pin(*r, "bubble_time", "stage:0", last + last_back, 1e-4);
  pin(*r, "bubble_time", "stage:1", first + first_back, 1e-4);
  pin(*r, "bubble_time", "run", step / 2, 1e-4);
  pin(*r, "simulated_gpus", "run", 2);
  pin(*r, "layers", "stage:1", 1);
}

// Backward passes without the gradients of weights: those are as much as the products of a forward pass.
TEST(StepFiguresFormula, GradientsOfWeightsMayBeApart) {
  const auto r = study("sequence: 512, batch: 4, layers: [1, 1], schedule: zb_h1, parallel: {pipeline: 2}",
                       {.model = "{extends: llama-2-7b, layers: 2}", .gpus = 2});
  const double products = 4 * (2 * kLayerFlops + kHeadFlops) / kPeak, attention = 4 * 2 * kAttention / kPeak;
  pin(*r, "weight_time", "run", products / 2, 1e-4);
  pin(*r, "backward_time", "run", (products + 2.5 * attention) / 2, 1e-4);
  pin(*r, "forward_time", "run", (products + attention) / 2, 1e-4);
}

// What is woven is neither a forward nor a backward pass, and costs what both cost.
TEST(StepFiguresFormula, WovenPassesTakeWhatTheOthersLeave) {
  const auto r = study("sequence: 512, batch: 8, layers: [1, 1, 1, 1], schedule: dualpipev, parallel: {pipeline: 2}",
                       {.model = "{extends: llama-2-7b, layers: 4}", .gpus = 2});
  const double products = 8 * (4 * kLayerFlops + kHeadFlops) / kPeak, attention = 8 * 4 * kAttention / kPeak;
  const double apart =
      r->metric_value("forward_time") + r->metric_value("backward_time") + r->metric_value("weight_time");
  EXPECT_GT(r->metric_value("overlapped_time"), 0.2 * apart);
  pin(*r, "overlapped_time", "run", (3 * products + 3.5 * attention) / 2 - apart, 1e-4);
}

// Without ZeRO a parameter takes 2 bytes in BF16, 4 of its gradient, 4 of its master copy and 2 x 2 of its moments.
// Three layers and the embedding lie on the first stage, one and the head on the last.
TEST(StepFiguresFormula, PeakMemoryIsThatOfTheFullestStageAndNotOfTheLast) {
  const auto r = study("sequence: 128, batch: 1, recompute: full, layers: [3, 1], parallel: {pipeline: 2, zero: 0}",
                       {.model = "{extends: llama-2-7b, layers: 4}", .gpus = 2});
  const double first = (3 * kLayer + kHead) * 14, last = (kLayer + kHead) * 14;
  pin(*r, "peak_memory", "run", first, 0.01);
  pin(*r, "peak_memory", "stage:0", first, 0.01);
  pin(*r, "peak_memory", "stage:1", last, 0.02);
  EXPECT_EQ(r->metric_value("peak_memory"), r->metric_value("peak_memory", "stage:0"));
  const std::string end =
      *r->database().value("SELECT max(time) FROM series WHERE name = 'memory_in_use' AND scope = 'stage:1'");
  pin_at(*r, "memory_in_use", "stage:1", std::stod(end), last, 0.02);
}

// The first of four GPUs has three quarters of all rows, and keeps what their experts' backward passes need.
TEST(StepFiguresFormula, PeakMemoryOfAStageIsThatOfItsFullestGpuAndNotOfTheLast) {
  const auto r = study("sequence: 4096, batch: 4, parallel: {expert: 4}",
                       {.model = "{extends: mixtral-8x7b, layers: 1}",
                        .more = "routing: {kind: hot_rank, rank: 0, factor: 3}\n",
                        .gpus = 4});
  const auto of = [&](const std::string& what) {
    return std::stod(r->database().value("SELECT " + what).value_or("0"));
  };
  const double most = of("max(peak_memory) FROM gpu"), last = of("peak_memory FROM gpu ORDER BY gpu DESC LIMIT 1");
  EXPECT_GT(most, 1.01 * last);
  pin(*r, "peak_memory", "stage:0", most);
  pin(*r, "peak_memory", "run", most);
}

// Gradients of 4 bytes are summed and parameters of 2 bytes gathered; of two GPUs each sends half of both.
TEST(StepFiguresFormula, WhatIsSentAfterAndBeforeAllComputingIsExposed) {
  const auto r = study("sequence: 128, batch: 2, gradient_reduction: exposed, parameter_gathering: exposed",
                       {.gpus = 2, .nvlink = "1 GB/s"});
  const double parameters = kLayer + 2 * kHead;
  pin(*r, "exposed_communication_time", "run", parameters * (4 + 2) / 2 / 1e9, 1e-3);
  pin(*r, "exposed_communication_time", "stage:0", parameters * (4 + 2) / 2 / 1e9, 1e-3);
}

// Half the speed, twice the time of everything: also where the slow one is of a replica that another stands for, or
// shares its layers with a simulated one.
TEST(StepFiguresFormula, ASlowGpuDelaysTheStepWhereverItIs) {
  for (const char* parallel : {"{}", "{tensor: 2}"})
    for (const int gpu : {0, 1, 5, 7}) {
      const auto with = [&](const std::string& slow) {
        return study(fmt::format("sequence: 512, batch: 16, parallel: {}{}", parallel, slow), {.gpus = 8})
            ->metric_value("step_time");
      };
      EXPECT_NEAR(with(fmt::format(", slow_gpus: [{{gpu: {}, speed: 0.5}}]", gpu)) / with(""), 2, 1e-3)
          << parallel << " " << gpu;
    }
}

// The optimiser's bytes of a parameter (update_formula.cpp): its norm 4, clipping 8, the gradient 4, master copy 8, two
// moments 8, the copy in BF16 6, and 4 to set the gradient to zero.
TEST(StepFiguresFormula, TheOptimizerReadsAndWritesEveryParametersState) {
  const auto r = study("sequence: 128, batch: 1, parallel: {zero: 0}", {.memory = "1 TB/s"});
  pin(*r, "optimizer_time", "run", (kLayer + 2 * kHead) * (4 + 8 + 4 + 8 + 8 + 6 + 4) / 1e12, 1e-3);
}

// From 0 1 | 2 3 | 4 5 | 6 7 to 0 4 | 1 5 | 2 6 | 3 7 on whichever GPU has one of the two, after the second of four
// steps: every GPU sends an expert and takes one, each with 2 bytes of its weight, 4 of its master copy and 2 x 2 of
// its moments a parameter.  Half of all rows were the first GPU's; afterwards two GPUs have a third each.
TEST(StepFiguresFormula, RebalancingMovesExpertsWithTheirState) {
  const auto r = study(
      "sequence: 512, batch: 4, steps: 4, parallel: {expert: 4, zero: 0}, rebalance: {interval: 2, policy: "
      "round_robin, "
      "planning: 10 ms, layer: 1 ms}",
      {.model = "{extends: mixtral-8x7b, layers: 1}",
       .more = "routing: {kind: hot_rank, rank: 0, factor: 2}\n",
       .gpus = 4,
       .nvlink = "100 GB/s"});
  const double expert = 3.0 * 4096 * 14336 * (2 + 4 + 4);
  pin(*r, "rebalances", "run", 2);
  pin(*r, "rebalance_experts", "run", 4);
  pin(*r, "rebalance_bytes", "run", 4 * expert);
  pin(*r, "rebalance_bytes", "plan:0", 4 * expert);
  pin(*r, "rebalance_time", "run", expert / 1e11 + 2 * 0.010 + 0.001, 1e-3);
  pin(*r, "rebalance_balancedness_before", "plan:0", 0.5, 0.05);
  pin(*r, "rebalance_balancedness_hoped", "plan:0", 0.75, 0.05);
  pin(*r, "rebalance_balancedness_after", "plan:0", 0.75, 0.05);
  const double both = std::stod(*r->database().value("SELECT max(end) FROM step WHERE step < 2"));
  pin(*r, "rebalance_at", "plan:0", both - expert / 1e11 - 0.011, 1e-3);
}

// Ten seconds for every operator: all that is left of the step is the host.
TEST(StepFiguresFormula, TheHostIsWhatASlowHostLeaves) {
  const auto r = study("sequence: 128, batch: 1", {.operator_time = "10 s"});
  const double computing = r->metric_value("forward_time") + r->metric_value("backward_time");
  pin(*r, "host_time", "run", r->metric_value("step_time") - computing - r->metric_value("optimizer_time"), 1e-6);
}

// Half of an even load is all that experts take.
TEST(StepFiguresFormula, RowsAboveTheCapacityAreDropped) {
  const auto r = study("sequence: 512, batch: 4, parallel: {expert: 4}, capacity: {factor: 0.5, level: expert}",
                       {.model = "{extends: mixtral-8x7b, layers: 1}", .more = "routing: balanced\n", .gpus = 4});
  pin(*r, "tokens_dropped", "run", 0.5, 1e-2);
}

// One of eight experts has three times the mean.
TEST(StepFiguresFormula, BiasesBeginAtTheLoadAsItComes) {
  const auto r = study("sequence: 512, batch: 4, parallel: {expert: 4}, balance: {steps: 4}",
                       {.model = "{extends: mixtral-8x7b, layers: 1}",
                        .more = "routing: {kind: hot_experts, count: 1, factor: 3}\n",
                        .gpus = 4});
  pin(*r, "expert_imbalance", "balance_step:0", 2, 1e-6);
  EXPECT_LT(r->metric_value("expert_imbalance", "balance_step:4"), 2);
}

// A layer of Mixtral: QKV 4096 -> 6144 and output 4096 -> 4096, of rank 8.
TEST(StepFiguresFormula, AdaptersAreAllThatIsTrained) {
  const auto r = study("sequence: 512, batch: 1, lora: {rank: 8, targets: [attention]}",
                       {.model = "{extends: mixtral-8x7b, layers: 1}", .more = "routing: balanced\n"});
  pin(*r, "trained_parameters", "run", 8 * (4096 + 6144 + 4096 + 4096));
}
}  // namespace
}  // namespace moesim::training
