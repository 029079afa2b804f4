// What is wrong with a training plan is said at its place, before anything is simulated.
#include <gtest/gtest.h>

#include "sizing/pretraining/job.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::sizing {
namespace {

std::string said(const std::string& training, const std::string& candidates, const std::string& targets = "{}") {
  const TemporaryFolder folder;
  put_file(folder.file("job.yaml"), "model: mixtral-8x7b\nsize:\n  training: " + training + "\n  targets: " + targets +
                                        "\n  candidates: " + candidates + "\n");
  const std::string out = test::refusal_of([&] { (void)read_job(read_plan_head(folder.file("job.yaml"), {}, {})); });
  const std::string start = folder.file("job.yaml") + ":";
  return out.starts_with(start) ? out.substr(start.size()) : out;
}

TEST(JobReject, NamesThePlaceAndWhatWouldDo) {
  const std::string good = "{tokens: 1e12, settings: {batch: 128}}", nodes = "{nodes: [hgx-h100]}";
  EXPECT_EQ(said("{tokens: 0, settings: {batch: 128}}", nodes), "3:22: size.training.tokens: must be above 0, got 0");
  EXPECT_EQ(said("{tokens: 1e12, settings: {batch: 128, schedule: 1f1b}}", nodes),
            "3:61: size.training.settings.schedule: is what candidates differ in: give schedule");
  EXPECT_EQ(said("{tokens: 1e12, settings: {batch: 128, parallel: {tensor: 2}}}", nodes),
            "3:61: size.training.settings.parallel: is what candidates differ in: give tensor, pipeline, expert, ...");
  EXPECT_EQ(said("{tokens: 1e12, settings: {}}", nodes), "3:38: size.training.settings: missing key \"batch\"");
  EXPECT_EQ(said("{tokens: 1e12, settings: {batch: 128}, run: {tokens: 1}}", nodes),
            "3:66: size.training.run.tokens: is said already: training.tokens");
  EXPECT_EQ(said(good, "{nodes: [hgx-h100, hgx-h100]}"),
            "5:34: size.candidates.nodes[1]: is the same as nodes[0], at the same price");
  EXPECT_EQ(said(good, "{nodes: []}"), "5:23: size.candidates.nodes: expected at least one kind of node");
  EXPECT_EQ(said(good, "{nodes: [hgx-h100], tensor: [1, 0]}"),
            "5:47: size.candidates.tensor[1]: must be at least 1, got 0");
  EXPECT_EQ(said(good, "{nodes: [{node: hgx-h100, nodes: 8}], counts: [4, 16]}"),
            "5:65: size.candidates.counts[1]: of no kind of node are there 16");
  EXPECT_EQ(said(good, "{nodes: [hgx-h100], recompute: []}"), "5:46: size.candidates.recompute: expected at least one");
  EXPECT_EQ(said("{tokens: 1e12, settings: {batch: 128}, run: {failures: {gpu_mtbf_hours: -1}}}", nodes),
            "3:85: size.training.run.failures.gpu_mtbf_hours: expected a number of at least 0, got -1");
  EXPECT_EQ(
      said("{tokens: 1e12, settings: {batch: 128}, run: {spares: 1}}", nodes),
      "3:58: size.training.run: unknown key \"spares\"; known keys: ramp, phases, checkpoint, failures, stragglers, "
      "power_share");
  EXPECT_EQ(said("{tokens: 1e12, settings: {batch: 128, lora: {rank: 0}}}", nodes),
            "3:64: size.training.settings.lora.rank: expected at least 1, got 0");
  EXPECT_EQ(said(good, "{nodes: [hgx-h100], tensor: [3]}"),
            "5:44: size.candidates.tensor[0]: must divide the 32 attention heads of mixtral-8x7b, got 3");
  EXPECT_EQ(said(good, "{nodes: [hgx-h100], expert: [2, 6]}"),
            "5:47: size.candidates.expert[1]: must divide the 8 experts of mixtral-8x7b, got 6");
  EXPECT_EQ(said(good, "{nodes: [hgx-h100], pipeline: [64]}"),
            "5:46: size.candidates.pipeline[0]: mixtral-8x7b has 32 layers, got 64 stages");
  EXPECT_EQ(said(good, nodes, "{days: -1}"), "4:19: size.targets.days: must not be negative, got -1");
}

TEST(JobReject, WhatNoNumberOfNodesCanHave) {
  const std::string good = "{tokens: 1e12, settings: {batch: 128}}";
  const std::string two = "nodes: [{node: hgx-h100, nodes: 2}]";
  EXPECT_EQ(said(good, "{" + two + ", pipeline: [1, 3]}"),
            "5:67: size.candidates.pipeline[1]: divides no number of GPUs that may be had (8, 16), got 3");
  EXPECT_EQ(said(good, "{nodes: [{node: hgx-h100, nodes: 3}], counts: [3], pipeline: [1, 3], tensor: [16]}"),
            "5:93: size.candidates.tensor[0]: divides no number of GPUs that may be had (24), got 16");
  EXPECT_EQ(said(good, "{" + two + "}", "{gpus: 4}"),
            "4:19: size.targets.gpus: a node of hgx-h100 has 8 GPUs, got 4: write a node of 4, or give "
            "training.settings.gpus_per_node, where the others are paid for and stay idle");
  EXPECT_EQ(said("{tokens: 1e12, settings: {batch: 128, gpus_per_node: 4}}", "{" + two + "}", "{gpus: 4}"), "accepted");
  EXPECT_EQ(said(good, "{" + two + ", counts: [2]}", "{gpus: 8}"),
            "5:61: size.candidates.counts: none of these numbers of nodes has at most the 8 GPUs of targets.gpus");
}

TEST(JobReject, TheSameTwice) {
  const std::string good = "{tokens: 1e12, settings: {batch: 128}}";
  for (const auto& [list, key] : {std::pair("tensor: [2, 1, 2]", "tensor[2]: is the same as tensor[0]"),
                                  {"zero: [1, 1]", "zero[1]: is the same as zero[0]"},
                                  {"recompute: [full, full]", "recompute[1]: is the same as recompute[0]"},
                                  {"schedule: [1f1b, dualpipe, 1f1b]", "schedule[2]: is the same as schedule[0]"}})
    EXPECT_NE(said(good, fmt::format("{{nodes: [hgx-h100], {}}}", list)).find(key), std::string::npos) << list;
}

TEST(JobReject, TokensAndSequencesBeyondWhatThereIs) {
  const std::string nodes = "{nodes: [hgx-h100]}";
  EXPECT_EQ(said("{tokens: 1e30, settings: {batch: 128}}", nodes),
            "3:22: size.training.tokens: expected at most 10^15 tokens, got 1e+30");
  EXPECT_EQ(said("{tokens: 1e15, settings: {batch: 128}}", nodes), "accepted");
  EXPECT_EQ(said("{tokens: 1e12, settings: {batch: 128, sequence: 1000000}}", nodes),
            "3:61: size.training.settings.sequence: mixtral-8x7b has 32768 positions, got sequences of 1000000; "
            "extend_context true takes longer ones");
  EXPECT_EQ(said("{tokens: 1e12, settings: {batch: 128, sequence: 32768}}", nodes), "accepted");
}

TEST(JobReject, SpareNodesSaidTwiceOrForNothing) {
  const std::string candidates = "{nodes: [hgx-h100], spare_nodes: [1, 0]}";
  EXPECT_EQ(
      said("{tokens: 1e12, settings: {batch: 128}, run: {failures: {gpu_mtbf_hours: 9, spare_nodes: 1}}}", candidates),
      "5:48: size.candidates.spare_nodes: is said already: training.run.failures.spare_nodes; leave one of the two "
      "out");
  EXPECT_EQ(said("{tokens: 1e12, settings: {batch: 128}}", candidates),
            "5:48: size.candidates.spare_nodes: nothing that training.run says takes a spare node: give failures, or "
            "leave this out");
  EXPECT_EQ(said("{tokens: 1e12, settings: {batch: 128}, run: {failures: {gpu_mtbf_hours: 9}}}", candidates),
            "accepted");
}

TEST(JobReject, DrawsOfNothingAndSharesThatAreNone) {
  const auto answer = [&](const std::string& failures, const std::string& targets, const std::string& search) {
    return said("{tokens: 1e12, settings: {batch: 128}, run: {failures: {" + failures + "}}}",
                "{nodes: [hgx-h100]}\n  search: {" + search + "}", "{" + targets + "}");
  };
  const std::string fails = "gpu_mtbf_hours: 9", none = "restart_hours: 1",
                    nothing = ": nothing that training.run says is drawn: give failures, or leave this out";
  EXPECT_EQ(answer(fails, "share: 1", "draws: 1"), "accepted");
  EXPECT_EQ(answer(none, "", ""), "accepted");
  EXPECT_EQ(answer(none, "share: 0.5", ""), "4:20: size.targets.share" + nothing);
  EXPECT_EQ(answer(none, "", "draws: 5"), "6:19: size.search.draws" + nothing);
  EXPECT_EQ(answer(fails, "share: 0", ""), "4:20: size.targets.share: expected above 0 and at most 1, got 0");
  EXPECT_EQ(answer(fails, "share: 1.5", ""), "4:20: size.targets.share: expected above 0 and at most 1, got 1.5");
  for (const char* draws : {"0", "10001"})
    EXPECT_EQ(answer(fails, "", std::string("draws: ") + draws),
              std::string("6:19: size.search.draws: expected 1 to 10000, got ") + draws);
}

TEST(JobReject, SectionsThatAllCandidatesHave) {
  const TemporaryFolder folder;
  const std::string file = folder.file("job.yaml");
  put_file(file,
           "model: mixtral-8x7b\nrouting: balanecd\nsize:\n  training: {tokens: 1e12, settings: {batch: 128}}\n"
           "  candidates: {nodes: [hgx-h100]}\n");
  EXPECT_EQ(test::refusal_of([&] { (void)read_job(read_plan_head(file, {}, {})); }),
            file + ":2:10: routing: no traffic is called \"balanecd\"; did you mean \"balanced\"?");
}
}  // namespace
}  // namespace moesim::sizing
