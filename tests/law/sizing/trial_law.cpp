// What a simulated deployment's figures say is what a run of its scenario stores.
#include <gtest/gtest.h>

#include <set>

#include "law/sizing/small_plans.h"
#include "results/results.h"
#include "results/span.h"
#include "results/sql.h"
#include "serving/run_serving.h"

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
}  // namespace
}  // namespace moesim::sizing
