// Pages of plans without an answer: what was simulated until then.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <optional>

#include "pages/report.h"
#include "results/results.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::pages {
namespace {
class UnfinishedPlan : public testing::Test {
 protected:
  std::string plan(int simulated, const char* state) const {
    const std::string file = folder_.file("plan.db");
    results::Results r(file, {"title", "size", "my plan.yaml", "text", "", 3});
    for (int i = 0; i < simulated; ++i)
      r.add(results::Table::step_trial,
            {fmt::format("cluster: {{node: hgx-h800, nodes: {}}}\ntraining:\n  parallel: {{tensor: 1, pipeline: {}, "
                         "expert: 8}}\n  schedule: 1f1b\n  recompute: none\n",
                         i + 1, i + 1),
             std::int64_t{3}, 0, 90.0 - 1.0 * i, 0.3, 0.1, 0.2, std::int64_t{1} << 30, "weights"});
    r.finish({state, 1, 2, 4_s, 0.1}, "");
    return file;
  }
  TemporaryFolder folder_;
};

TEST_F(UnfinishedPlan, ShowsWhatWasSimulatedAndHowItGoesOn) {
  const std::string page = report_page(plan(3, "interrupted"));
  EXPECT_NE(page.find("role=\"alert\">This plan did not come to its end (state interrupted): it has no answer."),
            std::string::npos);
  EXPECT_NE(page.find(">3 simulations</span> of this plan are done, and no answer"), std::string::npos);
  EXPECT_NE(page.find("the best so far has a step of <span class=\"sim\">88.0 s</span>: 3 x hgx-h800: PP3 EP8, 1f1b"),
            std::string::npos);
  EXPECT_NE(page.find("1 x hgx-h800: EP8, 1f1b"), std::string::npos);
  EXPECT_NE(page.find("moesim size &#39;my plan.yaml&#39; --seed 3 --resume -o "), std::string::npos);
}

TEST_F(UnfinishedPlan, OfMergedShardsIsNotCalledInterrupted) {
  const std::string page = report_page(plan(1, "unanswered"));
  EXPECT_NE(page.find("These are simulations of a plan, without its answer."), std::string::npos);
  EXPECT_NE(page.find(">1 simulation</span> of this plan is done"), std::string::npos);
}

TEST_F(UnfinishedPlan, ShowsAllSimulationsWhereTheyAreMoreThanItDraws) {
  const std::string page = report_page(plan(40, "interrupted"));
  EXPECT_NE(page.find("All simulations (40)"), std::string::npos);
  EXPECT_NE(page.find("data-marks=\"16\""), std::string::npos);
}

TEST_F(UnfinishedPlan, LeavesStepsOfPartOfTheBatchOut) {
  const std::string file = plan(3, "interrupted");
  results::Database db = results::Database::open_existing(file);
  db.exec("UPDATE step_trial SET batch = 16 WHERE step_time = 88");
  db.close();
  const std::string page = report_page(file);
  EXPECT_NE(page.find("Of 2 simulations, the best so far has a step of <span class=\"sim\">89.0 s"), std::string::npos);
  EXPECT_NE(page.find(">3 simulations</span> of this plan are done"), std::string::npos);
}

TEST_F(UnfinishedPlan, PutsWhatMeetsTheTargetsFirst) {
  const std::string file = plan(0, "interrupted");
  results::Database db = results::Database::open_existing(file);
  db.exec(
      "UPDATE run SET scenario = 'size: {targets: {tpot_p90: 50 ms}}'; INSERT INTO trial (run, scenario, tpot_p90, "
      "share, piled_up, tokens_per_gpu_second, cost_per_million_tokens) VALUES (1, 'serving: {pools: [{role: both, "
      "instances: 1}]}', 0.06, 1, 0, 9, 1), (1, 'serving: {pools: [{role: both, instances: 2}]}', 0.04, 1, 0, 5, 2)");
  db.close();
  const std::string page = report_page(file);
  EXPECT_NE(page.find("2 USD</span>: both 2 x 1 GPU"), std::string::npos);
  EXPECT_NE(page.find("First the 1 that meet the targets"), std::string::npos);
}

TEST_F(UnfinishedPlan, WithoutASimulationIsRefused) {
  const std::string file = plan(0, "interrupted");
  EXPECT_EQ(test::refusal_of([&] { (void)report_page(file); }),
            file + ": holds no figures: its run ended before there were any");
}
}  // namespace
}  // namespace moesim::pages
