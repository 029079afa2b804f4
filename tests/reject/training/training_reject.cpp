// Exact messages for training scenarios that cannot be.
#include <gtest/gtest.h>

#include "support/refusal.h"
#include "training/campaign.h"
#include "training/step.h"

namespace moesim::training::steps {
namespace {
std::string refusal(const std::string& training, const std::string& model = "deepseek-v2-lite",
                    const std::string& more = "") {
  try {
    const Config scenario = Config::from_text(
        "model: " + model + "\ncluster: h800-32\n" + more + "training: {" + training + "}\n", "plan.yaml");
    TrainingSetup setup(scenario, 1);
  } catch (const ConfigError& e) {
    const std::string text = e.what();
    const std::size_t key = text.find("training");
    return key == std::string::npos || text.starts_with("GPU") ? text : text.substr(key);
  }
  return "no error";
}

TEST(TrainingReject, StagesThatDoNotDivideTheGpus) {
  EXPECT_EQ(refusal("batch: 64, parallel: {pipeline: 3}"),
            "training.parallel.pipeline: 3 stages do not divide 32 GPUs; 2 or 4 would do");
}
TEST(TrainingReject, StatesThatSharersOfASequenceWouldHandOn) {
  EXPECT_EQ(
      refusal("batch: 64, parallel: {context: 2}", "qwen3-next-80b-a3b"),
      "training.parallel.context: layer 0 of qwen3-next-80b-a3b keeps a state (gated DeltaNet), and has no costs for "
      "sequences that 2 GPUs share; 1 would do");
  EXPECT_EQ(
      refusal("batch: 64, parallel: {context: 4}", "nemotron-3-nano-30b-a3b"),
      "training.parallel.context: layer 0 of nemotron-3-nano-30b-a3b keeps a state (Mamba-2), and has no costs for "
      "sequences that 4 GPUs share; 1 would do");
}
TEST(TrainingReject, EntriesThatSharersOfASequenceWouldMakeTogether) {
  EXPECT_EQ(refusal("batch: 64, parallel: {context: 2}", "deepseek-v4-flash"),
            "training.parallel.context: layer 0 of deepseek-v4-flash makes entries of several tokens (compressed), and "
            "has no costs for sequences that 2 GPUs share; 1 would do");
}
TEST(TrainingReject, SharesOfAPlan) {
  EXPECT_EQ(refusal("batch: 64", "deepseek-v2-lite", "placement: {strategy: eplb, slots: 96, sharing: planned}\n"),
            "training keeps no shares of a plan: even or balanced, or replica_choice instead");
}
TEST(TrainingReject, LayoutsThatAreNotTheModels) {
  const auto layout = [](const std::string& text, const std::string& more = "") {
    return refusal("batch: 64, parallel: {pipeline: 2}, pipeline_layout: \"" + text + "\"" + more, "llama-2-7b");
  };
  const std::string at = "training.pipeline_layout: ";
  EXPECT_EQ(layout("Et*16|t*15,L"), at + "expected E, 32 t, 0 m and L in this order, got 1 E, 31 t, 0 m and 1 L");
  EXPECT_EQ(layout("Et*16|L,t*16"), at + "expected E, 32 t, 0 m and L in this order, got 1 E, 32 t, 0 m and 1 L");
  EXPECT_EQ(layout("Et*16|t*16|L"), at + "has 3 stages, the schedule 2");
  EXPECT_EQ(layout("Et*32L|"), at + "stage 1 is empty, which no cost is known for");
  EXPECT_EQ(layout("Ex*16|L"), at + "\"Ex*16|L\", character 2: expected E, t, m, L, | or (, got \"x\"");
  EXPECT_EQ(layout("E(t*16|L"), at + "\"E(t*16|L\", character 9: a \"(\" is not closed");
  EXPECT_EQ(layout("Et)|L"), at + "\"Et)|L\", character 3: \")\" closes nothing");
  EXPECT_EQ(layout("Et*0|L"), at + "\"Et*0|L\", character 5: expected a number from 1 after \"*\"");
  EXPECT_EQ(layout("((t*900)*900)*900"), at + "\"((t*900)*900)*900\", character 13: more than 100000 letters");
  EXPECT_EQ(layout("Et*16|t*16,L", ", layers: [16, 16]"),
            "training.layers: training.pipeline_layout says where the layers, embedding and loss are");
}
TEST(TrainingReject, ModulesThatAreNotThereOrSaidTwice) {
  const std::string at = "training.recompute_modules: ";
  EXPECT_EQ(refusal("batch: 64, recompute_modules: [norms, norms]"), at + "\"norms\" stands twice");
  EXPECT_EQ(refusal("batch: 64, recompute: full, recompute_modules: [norms]"),
            at + "training.recompute full says it already; leave one of them out");
  EXPECT_EQ(refusal("batch: 64, recompute_modules: [up_projections]", "llama-2-7b"),
            at + "llama-2-7b has no up_projections: they are MLA's");
}
TEST(TrainingReject, ContextThatIsLongEnough) {
  EXPECT_EQ(refusal("batch: 64, extend_context: true", "llama-2-7b"),
            "training.extend_context: there is nothing to extend: llama-2-7b has 4096 positions");
}
TEST(TrainingReject, RecipesThatScaleNothing) {
  const std::string at = "training.precision.recipe: ", start = "batch: 64, precision: {linear: ";
  EXPECT_EQ(refusal(start + "bf16, recipe: current}"),
            at + "current scales fp8, and nothing is computed in it; precision.linear fp8 would do");
  EXPECT_EQ(refusal(start + "fp8, recipe: mxfp8}"),
            at + "h800 has no tensor cores that take a scale for 32 numbers; current, delayed or blocks would do");
  EXPECT_EQ(refusal(start + "fp8, recipe: nvfp4}"), at + "nvfp4 scales nvfp4, but something is computed in fp8");
  EXPECT_EQ(refusal(start + "fp8, recipe: tensorwise}").substr(0, at.size()), at);
}
TEST(TrainingReject, AdaptersThatMakeNoSense) {
  EXPECT_EQ(refusal("batch: 64, lora: {rank: 0}"), "training.lora.rank: expected at least 1, got 0");
  EXPECT_EQ(
      refusal("batch: 64, lora: {rank: 2000}"),
      "training.lora.rank: expected 1 to 511, got 2000: the narrowest product with an adapter has 512 columns, and "
      "one of as many is no smaller");
  EXPECT_EQ(refusal("batch: 64, lora: {targets: [attention]}"), "training.lora: missing key \"rank\"");
  EXPECT_EQ(refusal("batch: 64, lora: {rank: 8, targets: []}"), "training.lora.targets: expected at least one");
  EXPECT_EQ(refusal("batch: 64, lora: {rank: 8, targets: [dense, dense]}"),
            "training.lora.targets: \"dense\" stands twice");
  EXPECT_EQ(refusal("batch: 64, lora: {rank: 8, targets: [experts]}", "llama-2-7b"),
            "training.lora.targets: llama-2-7b has no products of \"experts\"");
  EXPECT_EQ(refusal("batch: 64, lora: {rank: 8, targets: [dense]}", "mixtral-8x7b"),
            "training.lora.targets: mixtral-8x7b has no products of \"dense\"");
  EXPECT_EQ(refusal("batch: 64, lora: {rank: 8}, precision: {linear: fp8}"),
            "training.lora: adapters beside products in fp8 have no kernels yet; training.precision.linear bf16 would "
            "do");
  EXPECT_EQ(refusal("batch: 64, lora: {rank: 8}, balance: {}"),
            "training.balance: the gate stays as it is with training.lora: no bias of it is moved");
}
TEST(TrainingReject, GraphsOfRowsThatNobodyKnows) {
  EXPECT_EQ(refusal("batch: 64, graphs: whole"),
            "training.graphs: a graph has the same rows each time: whole layers need training.capacity.factor above 0; "
            "attention would do");
  EXPECT_EQ(refusal("batch: 64, operator_time: -1 us"),
            "training.operator_time: expected a time of 0 or more, got \"-1 us\"");
  EXPECT_EQ(refusal("batch: 64, expert_by_expert: true", "llama-2-7b"),
            "training.expert_by_expert: llama-2-7b is a dense model");
}
TEST(TrainingReject, LayersFewerThanStages) {
  EXPECT_EQ(refusal("batch: 64, parallel: {pipeline: 32}"),
            "training.parallel.pipeline: deepseek-v2-lite has 27 layers, fewer than the 32 stages of this schedule; at "
            "most 27 ranks would do");
}
TEST(TrainingReject, LayersWithEndsThatStagesDoNotShare) {
  const std::string start = "batch: 64, schedule: {kind: interleaved_1f1b, chunks: ";
  EXPECT_EQ(
      refusal(start + "3}, parallel: {pipeline: 2}, ends_as_layers: true"),
      "training.ends_as_layers: 27 layers, embedding and loss are 29, which 6 stages do not share evenly; 1 or 29 "
      "stages would");
  EXPECT_EQ(refusal(start + "16}, parallel: {pipeline: 2}", "{extends: deepseek-v2-lite, layers: 30}"),
            "training.parallel.pipeline: deepseek-v2-lite has 30 layers, fewer than the 32 stages of this schedule; at "
            "most 1 ranks would do, or training.ends_as_layers true");
  EXPECT_EQ(refusal(start + "3}, parallel: {pipeline: 2}, ends_as_layers: true, heads: apart"),
            "training.heads: training.ends_as_layers says where the layers, embedding and loss are");
}
TEST(TrainingReject, ExpertGroupsThatCannotBeFormed) {
  EXPECT_EQ(refusal("batch: 64, parallel: {pipeline: 8, expert: 8}"),
            "training.parallel.expert: expert-parallel groups of 8 GPUs cannot be formed from the 4 GPUs of a stage; 4 "
            "would do");
  EXPECT_EQ(refusal("batch: 64, parallel: {expert: 12}"),
            "training.parallel.expert: must divide the 64 experts of deepseek-v2-lite, got 12; 8 or 16 would do");
  EXPECT_EQ(refusal("batch: 64, parallel: {expert: 8}", "llama-2-7b"),
            "training.parallel.expert: llama-2-7b is a dense model: only 1 is possible, got 8");
}
TEST(TrainingReject, GroupsThatWouldLieAcrossTheEndsOfNodes) {
  EXPECT_EQ(refusal("batch: 48, gpus_per_node: 6, parallel: {expert: 4}"),
            "training.parallel.expert: groups of 4 GPUs do not fill nodes of 6; with training.gpus_per_node 4 they "
            "would");
  EXPECT_EQ(refusal("batch: 48, gpus_per_node: 6, parallel: {tensor: 4}"),
            "training.parallel.tensor: groups of 4 GPUs do not fill nodes of 6; with training.gpus_per_node 4 they "
            "would");
  EXPECT_EQ(refusal("batch: 64, parallel: {expert: 2, expert_tensor: 16}"),
            "training.parallel.expert_tensor: GPUs that share an expert's width stay within a node of 8 GPUs, got 16");
  EXPECT_EQ(refusal("batch: 48, gpus: 24, parallel: {pipeline: 2}"),
            "training.parallel.pipeline: stages of 12 GPUs do not fill nodes of 8; whole nodes, or equal parts of one, "
            "would do");
  EXPECT_EQ(refusal("batch: 48, gpus: 12, parallel: {pipeline: 3}"),
            "training.gpus: more than a node takes whole nodes of 8 GPUs, got 12; 8 or 16 would do");
  EXPECT_EQ(refusal("batch: 64, gpus_per_node: 9"), "training.gpus_per_node: expected 0 to 8, got 9");
}
TEST(TrainingReject, SequencesLongerThanTheModelsPositions) {
  EXPECT_EQ(refusal("batch: 64, sequence: 8192", "llama-2-7b"),
            "training.sequence: llama-2-7b has 4096 positions, so sequences of 1 to 4096 tokens can be trained, got "
            "8192; training.extend_context true takes longer ones");
}
TEST(TrainingReject, MicroBatchesThatTheScheduleCannotTake) {
  EXPECT_EQ(refusal("batch: 72, parallel: {pipeline: 4, expert: 8}, schedule: dualpipe"),
            "training.schedule: dualpipe needs an even number of micro-batches, got 9; 8 or 10 would do");
  EXPECT_EQ(refusal("batch: 32, parallel: {pipeline: 4, expert: 8}, schedule: dualpipe"),
            "training.schedule: dualpipe needs at least 2 x 4 stages = 8 micro-batches, got 4");
  EXPECT_EQ(refusal("batch: 65, parallel: {expert: 8}"),
            "training.batch: 65 sequences do not divide into micro-batches of 1 on 32 data-parallel replicas; 64 or 96 "
            "would do");
}
TEST(TrainingReject, PhasesOfARunBeforeAnythingIsSimulated) {
  const std::string problem = test::refusal_of([] {
    check_campaign(
        Config::from_text("model: deepseek-v2-lite\ncluster: h800-32\ntraining: {batch: 64, parallel: "
                          "{expert: 8}, run: {tokens: 1e12, phases: [{sequence: 4096, batch: 33, tokens: "
                          "1e9}]}}\n",
                          "plan.yaml"));
  });
  EXPECT_EQ(problem,
            "plan.yaml:3:75: training.run.phases[0]: its steps cannot be formed: plan.yaml:3:19: training.batch: 33 "
            "sequences do not divide into micro-batches of 1 on 32 data-parallel replicas; 32 or 64 would do");
}
TEST(TrainingReject, HeadsAndNumbersThatDoNotFit) {
  EXPECT_EQ(refusal("batch: 64, parallel: {tensor: 3}"),
            "training.parallel.tensor: must divide the 16 attention heads of deepseek-v2-lite, got 3; 2 or 4 would do");
  EXPECT_EQ(refusal("batch: 64, parallel: {zero: 4}"), "training.parallel.zero: expected 0 to 3, got 4");
  EXPECT_EQ(refusal("batch: 64, layers: [3, 4]"),
            "training.layers: expected 1 numbers of at least 1 that add up to 27 layers, got 2 that add up to 7");
  EXPECT_EQ(refusal("batch: 64, parallel: {expert: 8}, slow_gpus: [{gpu: 99, speed: 0.5}]"),
            "training.slow_gpus[0].gpu: expected GPU 0 to 31, got 99");
}
TEST(TrainingReject, OverlapTablesThatCannotRun) {
  EXPECT_EQ(refusal("batch: 64, parallel: {expert: 8}, overlap: maybe"),
            "training.overlap: expected auto, dualpipe, none, or a table of compute and communication, got \"maybe\"");
  const std::string compute =
      "[attention, shared, experts, merge, shared_back, experts_back, attention_back, experts_weight, shared_weight, "
      "attention_weight]";
  EXPECT_EQ(refusal("batch: 64, parallel: {expert: 8}, overlap: {compute: " + compute +
                    ", communication: [dispatch, combine, combine_back]}"),
            "training.overlap.communication: lacks dispatch_back");
  EXPECT_EQ(refusal("batch: 64, parallel: {expert: 8}, overlap: {compute: " + compute +
                    ", communication: [combine, dispatch, combine_back, dispatch_back]}"),
            "training.overlap: the two streams wait for each other: this order never ends");
}
TEST(TrainingReject, OverlapsThatWouldHaveNoEffect) {
  const std::string nothing =
      "training.overlap: 1f1b runs no forward and backward together, so there is nothing to overlap; auto or none "
      "would do, or a schedule that does (dualpipe, dualpipev)";
  EXPECT_EQ(refusal("batch: 64, parallel: {expert: 8}, overlap: dualpipe"), nothing);
  EXPECT_EQ(refusal("batch: 64, parallel: {expert: 8}, overlap: {compute: [attention, shared, experts, merge, "
                    "shared_back, experts_back, attention_back, experts_weight, shared_weight, attention_weight], "
                    "communication: [dispatch, combine, combine_back, dispatch_back]}"),
            nothing);
  for (const std::string overlap : {"auto", "none"})
    EXPECT_EQ(refusal("batch: 64, parallel: {expert: 8}, overlap: " + overlap), "no error");
  EXPECT_EQ(refusal("batch: 64, parallel: {expert: 8}, tensor_overlap: true"),
            "training.tensor_overlap: there is nothing to overlap: parallel.tensor is 1");
  EXPECT_EQ(refusal("batch: 64, parallel: {expert: 8}, context_overlap: false"),
            "training.context_overlap: there is nothing that could be hidden: parallel.context is 1");
}
TEST(TrainingReject, WhatDoesNotFitNamesGpuStageAndExcess) {
  const std::string problem = refusal("batch: 64, parallel: {expert: 8, zero: 0}", "deepseek-v2");
  EXPECT_TRUE(problem.starts_with("GPU 0 (stage 0) does not fit before any micro-batch: it holds ")) << problem;
  EXPECT_NE(problem.find(" GB more than its 84.4 GB"), std::string::npos) << problem;
}
TEST(TrainingReject, WhatDoesNotFitSaysWhatWould) {
  const auto step = [](const std::string& training) -> std::string {
    try {
      const Config scenario = Config::from_text(
          "model: mixtral-8x7b\ncluster: h800-32\ntraining: {batch: 64, parallel: {expert: 8" + training + "}\n",
          "plan.yaml");
      TrainingSetup setup(scenario, 1);
      setup.run(0, nullptr);
    } catch (const ConfigError& e) {
      return e.what();
    }
    return "no error";
  };
  // Before any micro-batch recomputation is no help, and sharding the optimiser's state alone not enough.
  const std::string whole = step(", zero: 0}"), sharded = step(", zero: 1}");
  EXPECT_TRUE(whole.ends_with("GB; training.parallel.zero 2 (66.1 GB) would fit")) << whole;
  EXPECT_TRUE(
      sharded.ends_with("GB; training.recompute selective (78.7 GB), or training.parallel.zero 2 (66.1 GB) would fit"))
      << sharded;
  EXPECT_EQ(step(", zero: 1}, recompute: selective"), "no error");
  EXPECT_EQ(step(", zero: 2}"), "no error");
}
}  // namespace
}  // namespace moesim::training::steps
