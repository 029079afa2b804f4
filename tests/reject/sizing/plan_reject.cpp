// Plans that cannot be answered are refused before anything is simulated, with their place.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sizing/plan.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::sizing {
namespace {
std::string refusal(const std::string& size) {
  const TemporaryFolder folder;
  const std::string file = folder.file("plan.yaml");
  put_file(file, "model: deepseek-v2-lite\nsize:\n" + size);
  const std::string text = test::refusal_of([&] { read_plan(file, {}, {}); });
  return text.rfind(file, 0) == 0 ? text.substr(file.size() - std::string("plan.yaml").size()) : text;
}
constexpr const char* kLoad = "  workload: {kind: poisson, rate: 1}\n";
constexpr const char* kTargets = "  targets: {ttft_p90: 1 s}\n";
constexpr const char* kNodes = "  candidates: {nodes: [hgx-h100]}\n";
std::string plan(const std::string& load, const std::string& targets, const std::string& candidates) {
  return refusal(load + targets + candidates);
}

TEST(PlanReject, NothingWhereAllIsWell) { EXPECT_EQ(plan(kLoad, kTargets, kNodes), "accepted"); }

TEST(PlanReject, TargetsThatAreMissingOrCannotBe) {
  EXPECT_EQ(plan(kLoad, "  targets: {budget: 5 USD/h}\n", kNodes),
            "plan.yaml:4:12: size.targets: expected a latency, such as ttft_p90 or tpot_p90, or a share of requests "
            "within ttft and tpot");
  EXPECT_EQ(plan(kLoad, "  targets: {share: 0.9}\n", kNodes),
            "plan.yaml:4:20: size.targets.share: needs a latency that requests must be within: ttft, tpot or e2e");
  EXPECT_EQ(plan(kLoad, "  targets: {ttft_p90: 0 s}\n", kNodes),
            "plan.yaml:4:23: size.targets.ttft_p90: must be above 0 s");
}

TEST(PlanReject, EmptySetsAndContradictions) {
  EXPECT_EQ(plan(kLoad, kTargets, "  candidates: {nodes: []}\n"),
            "plan.yaml:5:23: size.candidates.nodes: expected at least one kind of node");
  EXPECT_EQ(plan(kLoad, kTargets, "  candidates: {nodes: [hgx-h100], tensor: [3]}\n"),
            "plan.yaml:5:44: size.candidates.tensor[0]: must divide the 16 attention heads of deepseek-v2-lite, got 3");
  EXPECT_EQ(plan(kLoad, kTargets, "  candidates: {nodes: [{node: hgx-h100, price: 2 USD/h, purchase: 300000}]}\n"),
            "plan.yaml:5:67: size.candidates.nodes[0].purchase: is another way to say `price`: give one of the two");
}

TEST(PlanReject, TargetsWithoutEffectAndLimitsThatNothingMeets) {
  EXPECT_EQ(plan(kLoad, "  targets: {tpot_p90: 50 ms, ttft: 1 s}\n", kNodes),
            "plan.yaml:4:36: size.targets.ttft: has no effect without share; ttft_p90 would be a target of its own");
  EXPECT_EQ(plan(kLoad, "  targets: {ttft_p90: 1 s, gpus: 0}\n", kNodes),
            "plan.yaml:4:34: size.targets.gpus: must be at least 1, got 0");
  EXPECT_EQ(plan(kLoad, "  targets: {ttft_p90: 1 s, budget: 0 USD/h}\n", kNodes),
            "plan.yaml:4:36: size.targets.budget: must be above 0 USD/h");
}

TEST(PlanReject, WhatNoNodeHas) {
  EXPECT_EQ(plan(kLoad, kTargets, "  candidates: {nodes: [hgx-h100], engines: [sglnag]}\n"),
            "plan.yaml:5:45: size.candidates.engines[0]: no engine is called \"sglnag\"; did you mean \"sglang\"?");
  EXPECT_EQ(plan(kLoad, kTargets, "  candidates: {nodes: [hgx-h100], tensor: [16]}\n"),
            "plan.yaml:5:44: size.candidates.tensor[0]: no node has as many GPUs: 8 at most");
  EXPECT_EQ(
      plan(kLoad, kTargets, "  candidates: {nodes: [{node: hgx-h100, fabric: ib-rial}]}\n"),
      "plan.yaml:5:49: size.candidates.nodes[0].fabric: no fabric is called \"ib-rial\"; did you mean \"ib-rail\"?");
}

TEST(PlanReject, OffersThatAreNoneAndCopiesThatHaveNoRoom) {
  EXPECT_EQ(plan(kLoad, kTargets, "  candidates: {nodes: [{node: hgx-h100, price: 0 USD/h}]}\n"),
            "plan.yaml:5:48: size.candidates.nodes[0].price: must be above 0 USD/h");
  EXPECT_EQ(plan(kLoad, kTargets, "  candidates: {nodes: [hgx-h100, {node: hgx-h100, nodes: 2}]}\n"),
            "plan.yaml:5:34: size.candidates.nodes[1]: is the same as nodes[0], at the same price");
  EXPECT_EQ(plan(kLoad, kTargets, "  candidates: {nodes: [hgx-h100, {node: hgx-h100, price: 9 USD/h}]}\n"), "accepted");
  const std::string one = "  candidates: {nodes: [{node: hgx-h100, nodes: 1}], redundant: [";
  EXPECT_EQ(plan(kLoad, kTargets, one + "448]}\n"), "accepted");  // 7 x 64
  EXPECT_EQ(plan(kLoad, kTargets, one + "449]}\n"),
            "plan.yaml:5:65: size.candidates.redundant[0]: every one of 64 experts on each of 8 GPUs is 448 beyond one "
            "an expert, got 449");
}

TEST(PlanReject, NothingForALongestTimeLeftToTheLoad) {
  EXPECT_EQ(
      plan("  workload: {kind: poisson, rate: 0.01}\n", kTargets, kNodes + std::string("  search: {most: none}\n")),
      "accepted");
}

TEST(PlanReject, LoadsThatAreNone) {
  EXPECT_EQ(plan("  workload: {kind: poisson, rate: 1}\n  growth: 0\n", kTargets, kNodes),
            "plan.yaml:4:11: size.growth: must be above 0, got 0");
  EXPECT_EQ(plan("  workload: {kind: closed, clients: 4}\n  growth: 1e6\n", kTargets, kNodes),
            "plan.yaml:4:11: size.growth: makes 4e+06 clients of 4; at most 1000000 are simulated");
  EXPECT_EQ(plan("  workload: {kind: poisson, rate: 0.00001}\n", kTargets, kNodes),
            "plan.yaml:3:3: size: 1.06e-05 requests/s are fewer than 40 in 12 days: too few to take percentiles of");
}

TEST(PlanReject, RunsTooShortForTheirLoad) {
  EXPECT_EQ(
      plan("  workload: {kind: poisson, rate: 0.01}\n", kTargets, kNodes + std::string("  search: {most: 60 s}\n")),
      "plan.yaml:6:18: size.search.most: 0.01 requests/s are too few to judge in less: give at least 3993 s, got "
      "60 s");
  EXPECT_EQ(plan("  workload: {kind: poisson, rate: 1, sessions: {turns: 3, count: fixed, pause: 200 s}}\n", kTargets,
                 kNodes),
            "plan.yaml:3:3: size.search.most: a conversation pauses for 6.65 min, and its later turns are part of the "
            "load: give at least 799 s, got 600 s");
}

TEST(PlanReject, NodesBeyondAnyCluster) {
  EXPECT_EQ(plan(kLoad, kTargets, "  candidates: {nodes: [{node: hgx-h100, nodes: 131072}]}\n"), "accepted");
  EXPECT_EQ(plan(kLoad, kTargets, "  candidates: {nodes: [{node: hgx-h100, nodes: 300000000}]}\n"),
            "plan.yaml:5:48: size.candidates.nodes[0].nodes: expected at most 131072, 1048576 GPUs, got 300000000");
}

std::string with(const std::string& candidates) {
  return plan(kLoad, kTargets, "  candidates: {nodes: [{node: hgx-h100, nodes: 4}], " + candidates + "}\n");
}

// Not layouts that fall, whichever the search tries.
TEST(PlanReject, DraftsThatAreIncomplete) {
  EXPECT_EQ(with("speculation: {kind: ngram, acceptance: [0.8]}"), "accepted");
  EXPECT_EQ(with("speculation: [none, {kind: ngram, acceptance: [0.8]}]"), "accepted");
  EXPECT_EQ(with("speculation: {kind: ngram}"),
            "plan.yaml:5:66: size.candidates.speculation.acceptance: needs a value for each draft");
  EXPECT_EQ(with("speculation: [none, {kind: ngram, acceptance: [2]}]"),
            "plan.yaml:5:99: size.candidates.speculation[1].acceptance: must lie between 0 and 1, got 2");
  EXPECT_EQ(with("speculation: {kind: mtp, acceptance: [0.8]}"),
            "plan.yaml:5:73: size.candidates.speculation.kind: deepseek-v2-lite has no multi-token prediction layer");
  EXPECT_EQ(with("speculation: []"), "plan.yaml:5:66: size.candidates.speculation: expected at least one");
  EXPECT_EQ(with("precision: [{linear: fp8}, {linear: fp9}]").substr(0, 49),
            "plan.yaml:5:89: size.candidates.precision[1].line");
}

TEST(PlanReject, DegreesThatNoInstanceHas) {
  EXPECT_EQ(with("data: [8, 16]"), "accepted");
  EXPECT_EQ(with("data: [8, 9]"),
            "plan.yaml:5:63: size.candidates.data[1]: 9: layout: 72 GPUs of the 32 that may be had");
  EXPECT_EQ(with("data: [3], tensor: [1]"),
            "plan.yaml:5:60: size.candidates.data[0]: 3: layout: 3 GPUs neither divide a node of 8 nor fill nodes");
  EXPECT_EQ(with("expert: [1, 8]"), "accepted");
  EXPECT_EQ(with("expert: [8], tensor: [1], data: [4]"),
            "plan.yaml:5:86: size.candidates.data[0]: 4: no instance of the other degrees asked has it");
  EXPECT_EQ(with("pipeline: [1, 2]"), "accepted");
  EXPECT_EQ(with("pipeline: [30]"),
            "plan.yaml:5:64: size.candidates.pipeline[0]: deepseek-v2-lite has 27 layers, got "
            "30 stages");
}

TEST(PlanReject, OverlapsThatAreNotTried) {
  EXPECT_EQ(with("overlap: [none, two_batch, five_stage]"), "accepted");
  EXPECT_EQ(with("overlap: [none, single_batch]"),
            "plan.yaml:5:69: size.candidates.overlap[1]: single_batch is not tried: expected none, two_batch (prompts) "
            "or five_stage (answers)");
}

TEST(PlanReject, RatiosOfPoolsThatAreNone) {
  EXPECT_EQ(with("ratios: [{prefill: 4, decode: 9}]"), "accepted");
  EXPECT_EQ(with("ratios: [{prefill: 0, decode: 9}]"),
            "plan.yaml:5:72: size.candidates.ratios[0].prefill: expected 1 to 10000, got 0");
  EXPECT_EQ(with("layouts: [aggregated], ratios: [{prefill: 4, decode: 9}]"),
            "plan.yaml:5:84: size.candidates.ratios: has no effect: layouts leave disaggregated out");
}

TEST(PlanReject, TokensADayThatNoLoadIsRaisedTo) {
  EXPECT_EQ(plan(kLoad, "  targets: {ttft_p90: 1 s, tokens_per_day: 1e9}\n", kNodes), "accepted");
  EXPECT_EQ(plan(kLoad, "  targets: {ttft_p90: 1 s, tokens_per_day: -1}\n", kNodes),
            "plan.yaml:4:44: size.targets.tokens_per_day: must not be negative, got -1");
  EXPECT_EQ(plan(kLoad, "  targets: {ttft_p90: 1 s, tokens_per_day: 1e16}\n", kNodes).substr(0, 56),
            "plan.yaml:4:44: size.targets.tokens_per_day: is 9.54e+07");
}

// The model's context is 163,840 tokens.
TEST(PlanReject, RequestsThatNoEngineTakes) {
  const auto load = [](const char* mean) {
    return fmt::format("  workload: {{kind: poisson, rate: 1, input: {{kind: fixed, mean: {}}}}}\n", mean);
  };
  EXPECT_EQ(plan(load("100000"), kTargets, kNodes), "accepted");
  EXPECT_EQ(plan(load("200000"), kTargets, kNodes),
            "plan.yaml:3:13: size.workload: all requests are longer than deepseek-v2-lite's context of 163840 tokens: "
            "engines refuse them");
  const std::string some = "  workload: {kind: poisson, rate: 1, input: {kind: log_normal, mean: 50000, cv: 1}}\n";
  EXPECT_EQ(plan(some, "  targets: {share: 0.9, ttft: 1 s}\n", kNodes), "accepted");
  EXPECT_EQ(plan(some, "  targets: {share: 0.999, ttft: 1 s}\n", kNodes),
            "plan.yaml:4:20: size.targets.share: cannot be met: 3.34 % of the requests are longer than "
            "deepseek-v2-lite's context of 163840 tokens, engines refuse them and they count as missed; got 0.999");
}

/// Of a plan with such a line above its size.
std::string above(const std::string& line, const std::string& nodes = "[hgx-h100]") {
  const TemporaryFolder folder;
  const std::string file = folder.file("plan.yaml");
  put_file(file, "model: deepseek-v2-lite\n" + line + "\nsize:\n" + kLoad + kTargets +
                     "  candidates: {nodes: " + nodes + "}\n");
  const std::string text = test::refusal_of([&] { read_plan(file, {}, {}); });
  return text.starts_with(file) ? text.substr(file.size() + 1) : text;
}

TEST(PlanReject, RecordedLoadsTooShortForTheirPercentiles) {
  const TemporaryFolder folder;
  std::string rows = "arrived_at,num_prefill_tokens,num_decode_tokens\n";
  for (int k = 0; k < 30; ++k) rows += fmt::format("{},100,10\n", k);
  put_file(folder.file("thirty.csv"), rows);
  const std::string load = fmt::format("  workload: {{kind: vidur, file: {}}}\n", folder.file("thirty.csv"));
  EXPECT_EQ(plan(load, kTargets, kNodes), "accepted");
  EXPECT_EQ(plan(load, "  targets: {tpot_p99: 1 s}\n", kNodes),
            "plan.yaml:3:13: size.workload: has 30 requests, and tpot_p99 takes at least 200: half of them come before "
            "what counts");
  EXPECT_EQ(
      plan(load, "  targets: {share: 0.95, ttft: 1 s}\n", kNodes),
      "plan.yaml:3:13: size.workload: has 30 requests, and share takes at least 40: half of them come before what "
      "counts");
}

TEST(PlanReject, ExpectedFiguresThatNoServiceHas) {
  EXPECT_EQ(above("expect: [{metric: run_days, max: 3}]"),
            "2:19: expect[0].metric: run_days is a figure of training, and the answer is one of serving");
  EXPECT_EQ(above("expect: [{metric: cost_per_hour, max: 3}, {metric: gpus, scope: \"pool:decode\", max: 3}]"),
            "accepted");
}

// Not a layout that falls, of every candidate.
TEST(PlanReject, SectionsThatAllCandidatesHave) {
  EXPECT_EQ(above("routing: {kind: log_normal, sigma: 0.3}"), "accepted");
  EXPECT_EQ(above("network: fluid"), "accepted");
  EXPECT_EQ(above("kernels: roofline"), "accepted");
  EXPECT_EQ(above("routing: balanecd"), "2:10: routing: no traffic is called \"balanecd\"; did you mean \"balanced\"?");
  EXPECT_EQ(above("routing: {kind: log_normal, sigam: 1}"),
            "2:29: routing: unknown key \"sigam\"; known keys: sigma, every");
  EXPECT_EQ(above("network: flluid"), "2:10: network: no network is called \"flluid\"; did you mean \"fluid\"?");
  EXPECT_EQ(above("kernels: roofllne"), "2:10: kernels: no kernels is called \"roofllne\"; did you mean \"roofline\"?");
  EXPECT_EQ(above("kernels: {calibration: nope.yaml}").substr(0, 26), "2:24: kernels.calibration:");
}

// What every candidate would fall by is no layout's fault.
TEST(PlanReject, WhatEveryCandidateWouldFallBy) {
  EXPECT_EQ(with("kv: {memory_share: 2}"),
            "plan.yaml:5:72: size.candidates.kv.memory_share: expected above 0 and at most 1, got 2");
  const std::string three =
      plan(kLoad, kTargets, "  candidates: {nodes: [{node: hgx-h100, nodes: 2}], pipeline: [3]}\n");
  EXPECT_TRUE(three.starts_with("plan.yaml:5:64: size.candidates.pipeline[0]: 3: layout: ")) << three;
  EXPECT_EQ(with("pipeline: [3]"), "accepted") << "3 x 8 fill nodes";
  const std::string fp4 = with("precision: {linear: fp4}");
  EXPECT_TRUE(fp4.starts_with("plan.yaml:5:73: size.candidates.precision.linear: ")) << fp4;
  const std::string a100 = plan(kLoad, kTargets, "  candidates: {nodes: [hgx-a100], precision: [{}, {linear: fp8}]}\n");
  EXPECT_TRUE(a100.starts_with("plan.yaml:5:60: size.candidates.precision[1].linear: ")) << a100;
  EXPECT_EQ(plan(kLoad, kTargets, "  candidates: {nodes: [hgx-a100, hgx-h100], precision: {linear: fp8}}\n"),
            "accepted")
      << "one of the nodes has it";
}

TEST(PlanReject, WhatIsListedTwice) {
  for (const auto& [list, key] : {std::pair("engines: [vllm, vllm]", "engines"),
                                  {"batch: [64, 64]", "batch"},
                                  {"tokens: [2048, 8192, 2048]", "tokens"},
                                  {"overlap: [none, none]", "overlap"},
                                  {"precision: [{kv_cache: fp8}, {kv_cache: fp8}]", "precision"},
                                  {"speculation: [none, none]", "speculation"},
                                  {"layouts: [aggregated, aggregated]", "layouts"},
                                  {"ratios: [{prefill: 1, decode: 2}, {prefill: 2, decode: 4}]", "ratios"}}) {
    const std::string refused = with(list);
    EXPECT_NE(refused.find(fmt::format("is the same as {}[0]", key)), std::string::npos) << refused;
  }
}

TEST(PlanReject, RatiosAndGpusThatNoNodesCome) {
  EXPECT_EQ(with("ratios: [{prefill: 10000, decode: 1}]"),
            "plan.yaml:5:62: size.candidates.ratios[0]: 10000 to 1 take at least 10001 GPUs, 32 may be had");
  EXPECT_EQ(with("ratios: [{prefill: 100, decode: 50}]"), "accepted") << "as 2 to 1";
  EXPECT_EQ(plan(kLoad, "  targets: {ttft_p90: 1 s, gpus: 4}\n", kNodes),
            "plan.yaml:4:34: size.targets.gpus: nodes are whole, and the smallest has 8, got 4; a smaller one is "
            "{extends: hgx-h100, gpus: 4}");
  EXPECT_EQ(plan(kLoad, "  targets: {ttft_p90: 1 s, gpus: 4}\n",
                 "  candidates: {nodes: [{node: {extends: hgx-h100, "
                 "gpus: 4}}]}\n"),
            "accepted");
}

TEST(PlanReject, RequiredChecksThatCannotBeMade) {
  const std::string end = "  confirm: {required: [";
  EXPECT_EQ(plan(kLoad, kTargets, kNodes + end + "node_loss, drift]}\n"), "accepted");
  EXPECT_EQ(plan("  workload: {kind: closed, clients: 4}\n", kTargets, kNodes + end + "bursts]}\n"),
            "plan.yaml:6:24: size.confirm.required[0]: has no effect: arrivals are not drawn from a rate");
  EXPECT_EQ(plan(kLoad, kTargets, kNodes + end + "drift, drift]}\n"),
            "plan.yaml:6:31: size.confirm.required[1]: is the same as required[0]");
  EXPECT_EQ(plan(kLoad, kTargets, kNodes + std::string("  search: {seeds: 1}\n") + end + "seeds]}\n"),
            "plan.yaml:7:24: size.confirm.required[0]: has no effect with search.seeds 1");
}
}  // namespace
}  // namespace moesim::sizing
