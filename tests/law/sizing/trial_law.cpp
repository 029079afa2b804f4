// What a simulated deployment's figures say is what a run of its scenario stores.
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "law/sizing/small_plans.h"
#include "results/results.h"
#include "results/span.h"
#include "results/sql.h"
#include "serving/run_serving.h"
#include "sizing/variations.h"

namespace moesim::sizing {
namespace {
struct Ran {
  Figures figures;
  results::Results results{":memory:", {}};
};

/// One instance under `load` times the plan's load, simulated by the search and run as a scenario.
void run_both(const Plan& plan, double load, Ran& out) {
  const PoolDesign design{.role = serving::Role::both, .data = 8, .slots = 64, .batch = 16, .tokens = 2048};
  const Deployment d{&plan.nodes[0], "sglang", {design}, {1}};
  Trial trial = trial_for(plan, 2);
  trial.load = load;
  out.figures = simulate(plan, d, trial);
  const Config scenario = Config::from_text(scenario_text(plan, d, trial), plan.file);
  results::SpanLog spans;
  results::StudyRun run{scenario, plan.seed, out.results, spans};
  scenario.at("serving").placed([&] { return serving::run_serving(run); });
}

TEST(Trial, NamesTheLargestPartOfAPoolsTime) {
  const TemporaryFolder folder;
  std::set<std::string> parts;
  for (const double load : {0.05, 1.0, 30.0}) {
    const Plan plan = read_small(folder, 2);
    Ran ran;
    run_both(plan, load, ran);
    results::Statement rows = ran.results.database().prepare(
        "SELECT substr(name, 7), value FROM metric WHERE scope = 'pool:both' AND name LIKE 'limit_%' "
        "ORDER BY value DESC LIMIT 1");
    ASSERT_TRUE(rows.step());
    EXPECT_EQ(ran.figures.limiter, fmt::format("both: {} {:.0f} %", rows.text(0), 100 * rows.real(1)));
    parts.insert(rows.text(0));
  }
  EXPECT_GT(parts.size(), 1u) << "loads this far apart are bound by different parts";
}

TEST(Trial, HasEveryLatencyAndCountOfTheRun) {
  const TemporaryFolder folder;
  const Plan plan = read_small(folder, 2);
  Ran ran;
  run_both(plan, 1, ran);
  for (std::size_t i = 0; i < kLatencies.size(); ++i) {
    EXPECT_EQ(ran.figures.latency[i], ran.results.metric_value(kLatencies[i], "run")) << kLatencies[i];
    EXPECT_GT(ran.figures.latency[i], 0) << kLatencies[i];
  }
  EXPECT_EQ(ran.figures.finished, ran.results.metric_value("requests_finished", "run"));
  EXPECT_EQ(ran.figures.rejected, 0);
  EXPECT_EQ(ran.figures.utilisation, std::vector{ran.results.metric_value("utilisation", "pool:both")});
  EXPECT_EQ(ran.figures.piled_up, 0) << "the load is carried";
}

TEST(Trial, HasTheWarningsOfTheRunEachWithItsScope) {
  const TemporaryFolder folder;
  const Plan plan = read_small(folder, 2);
  Ran ran;
  run_both(plan, 200, ran);
  results::Statement rows = ran.results.database().prepare("SELECT scope, name, text FROM warning ORDER BY rowid");
  std::string expected;
  while (rows.step()) {
    if (!expected.empty()) expected += "\n";
    if (rows.text(0) != "run") expected += rows.text(0) + ", ";
    expected += rows.text(1) + ": " + rows.text(2);
  }
  EXPECT_FALSE(expected.empty()) << "an overload is warned of";
  EXPECT_EQ(ran.figures.warnings, expected);
}

/// A plan of a recorded load of 40 s, or of clients who wait, on one small kind of node.
Plan read_with(const TemporaryFolder& folder, const std::string& workload, const std::string& most) {
  std::ofstream trace(folder.file("trace.csv"));
  trace << "TIMESTAMP,ContextTokens,GeneratedTokens\n";
  for (int k = 0; k < 200; ++k) trace << fmt::format("2024-05-10 00:00:{:02}.{:03}000,500,40\n", k / 5, k % 5 * 200);
  trace.close();
  const std::string file = folder.file("plan.yaml");
  std::ofstream(file) << "model: deepseek-v2-lite\nsize:\n  workload: " + workload +
                             "\n  targets: {ttft_p90: 1 s, tpot_p90: 60 ms}\n"
                             "  candidates: {nodes: [{node: hgx-h100, nodes: 2}]}\n  search: {seeds: 1" +
                             most + "}\n";
  return read_plan(file, {}, {});
}
Deployment one_gpu(const Plan& plan) {
  return {&plan.nodes[0], "sglang", {{.role = serving::Role::both, .slots = 64, .batch = 64, .tokens = 2048}}, {1}};
}

/// However fast a recorded load is played, requests of it come after the warm-up.
TEST(Trial, CountsRequestsOfARecordedLoadAtEverySpeed) {
  const TemporaryFolder folder;
  const Plan plan = read_with(folder, "{kind: azure, file: trace.csv}", "");
  EXPECT_NEAR(plan.load.span, 39.8, 1e-6);
  for (const double load : {0.5, 1.0, 8.0, 20.0, 64.0}) {
    const Verdict v = judge_once(plan, one_gpu(plan), {.end_to_end = 2, .load = load});
    EXPECT_LE(seconds(v.trial.warmup), plan.load.span / load / 2 + 1e-9);
    EXPECT_GE(v.figures.finished, 90) << load;
  }
  Entry entry;
  entry.ttft = 0.1, entry.tpot = 0.01;
  EXPECT_GT(capacity(plan, entry, one_gpu(plan)), 1) << "it is looked for, and found";
}

/// More clients than are served once in the window miss the targets; they are no mistake of the plan.
TEST(Trial, OfClientsThatAreServedTooSlowlyIsAMiss) {
  const TemporaryFolder folder;
  const Plan plan = read_with(
      folder, "{kind: closed, clients: 50, input: {kind: fixed, mean: 4000}, output: {kind: fixed, mean: 4000}}",
      ", most: 15 s");
  const Verdict v = judge_once(plan, one_gpu(plan), {.end_to_end = 2, .load = 64});
  EXPECT_FALSE(v.met);
  EXPECT_EQ(v.figures.finished, 0);
}
}  // namespace
}  // namespace moesim::sizing
