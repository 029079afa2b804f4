// What pages say of where their figures come from, and how they are had again.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "pages/facts.h"
#include "pages/report.h"
#include "results/program.h"
#include "results/results.h"
#include "unit/pages/training_results.h"

namespace moesim::pages {
namespace {
class ProvenanceTest : public test::TrainingResults {};

TEST_F(ProvenanceTest, GivesACommandThatWritesTheTimelineBesideTheResults) {
  const std::string page = report_page(training("a.db"));
  EXPECT_NE(page.find("moesim run a.yaml --seed 7 --timeline timeline.json -o timeline.db"), std::string::npos);
  EXPECT_EQ(page.find("Add every <code>--set</code> that the run had"), std::string::npos);
  results::Database old = results::Database::open_existing(file("a.db"));
  old.exec("DROP TABLE option");
  old.close();
  EXPECT_NE(report_page(file("a.db")).find("Add every <code>--set</code> that the run had"), std::string::npos);
}

TEST_F(ProvenanceTest, NamesTheProgramThatRanAndTheOneThatMadeThePage) {
  const std::string database = training("a.db");
  const std::string same = report_page(database);
  EXPECT_NE(same.find("moesim " + results::program() + ", run complete"), std::string::npos);
  EXPECT_NE(same.find("Page by the same moesim."), std::string::npos);
  results::Database db = results::Database::open_existing(database);
  db.exec(
      "UPDATE run SET version = '0.0.9 (commit abc)', resolved = resolved || 'kernels.kind: calibrated' || char(10) || "
      "'cluster.node.gpu.generation: hopper' || char(10)");
  db.close();
  const std::string other = report_page(database);
  EXPECT_NE(other.find("moesim 0.0.9 (commit abc), run complete, kernel tables <code>kernels-hopper</code>"),
            std::string::npos);
  EXPECT_NE(other.find("Page by moesim " + results::program() + "."), std::string::npos);
}

TEST_F(ProvenanceTest, GivesNoCommandThatIsMoreThanOneWhateverADatabaseHolds) {
  const std::string database = training("a.db");
  results::Database db = results::Database::open_existing(database);
  db.exec(
      "UPDATE run SET seed = '1; rm x', file = 'a$(rm x).yaml'; INSERT INTO option VALUES (1, '--set; rm x', "
      "'k=`rm x`')");
  db.close();
  const std::string page = report_page(database);
  EXPECT_NE(page.find("<code>moesim run &#39;a$(rm x).yaml&#39; &#39;--set; rm x&#39; &#39;k=`rm x`&#39; --seed "
                      "&#39;1; rm x&#39; -o again.db</code>"),
            std::string::npos);
  Facts of_place;
  of_place.study = "place";
  for (const char* harmful :
       {"moesim place a; rm x", "moesim place $(rm x)", "moesim place 'a", "rm x", "moesim a\nrm x"}) {
    of_place.scenario = harmful;
    EXPECT_EQ(command_of(of_place, ""), "") << harmful;
  }
  of_place.scenario = "moesim place 'a; b' 'c'\\''d'";
  EXPECT_EQ(command_of(of_place, ""), of_place.scenario);
}

TEST_F(ProvenanceTest, GivesACommandWithResultsOfItsOwn) {
  Facts f;
  f.study = "place";
  f.scenario = "moesim place a.csv --output 'of mine.db' --gpus 8";
  EXPECT_EQ(command_of(f, "-o again.db"), "moesim place a.csv --gpus 8 -o again.db");
  f.study = "validate", f.scenario = "moesim validate one two";
  EXPECT_EQ(command_of(f, "-o again.db"), "moesim validate one two -o again.db");
  f.study = "sweep";
  EXPECT_EQ(command_of(f, "-o again.db"), "moesim sweep sweep.yaml -o again.db");
  f.sweep_file = "my sweep.yaml";
  EXPECT_EQ(command_of(f, "-o again.db"), "moesim sweep 'my sweep.yaml' -o again.db");
}

TEST_F(ProvenanceTest, LeavesOutAssumptionsOfTheScenarioThatWereReplaced) {
  const std::string database = training("a.db");
  results::Database db = results::Database::open_existing(database);
  db.exec(
      "UPDATE run SET scenario = 'routing: {sigma: 0.1}  # assumed: one' || char(10) || '  batch: 7  # assumed' || "
      "char(10) || 'faults:  # assumed: two'; INSERT INTO option VALUES (1, '--set', 'routing.sigma=0.5')");
  const std::string once = report_page(database);
  EXPECT_EQ(once.find("assumed in the scenario: one"), std::string::npos);
  EXPECT_NE(once.find("<code>batch: 7</code>"), std::string::npos);
  EXPECT_NE(once.find("<code>faults</code> <span class=\"dim\">(assumed in the scenario: two)"), std::string::npos);
  db.exec(
      "DELETE FROM option; INSERT INTO sweep VALUES ('set: [training.batch=3]', 1, 1, 1, 'complete'); INSERT INTO "
      "sweep_point (point, run, key, value, problem) VALUES (1, 1, 'routing.kind', 'balanced', '')");
  db.close();
  const std::string swept = report_page(database);
  for (const char* replaced : {"assumed in the scenario: one", "<code>batch: 7</code>"})
    EXPECT_EQ(swept.find(replaced), std::string::npos) << replaced;
  EXPECT_NE(swept.find("<b>not as the scenario is written</b>: <code>training.batch=3</code>, varied "
                       "<code>routing.kind</code>"),
            std::string::npos);
}

TEST_F(ProvenanceTest, AReplacedListTakesTheAssumptionsOfItsItemsWithIt) {
  const std::string database = training("a.db");
  results::Database db = results::Database::open_existing(database);
  db.exec(
      "UPDATE run SET scenario = 'serving:' || char(10) || '  pools:' || char(10) || '    - role: both' || char(10) || "
      "'      overhead: 1 ms  # assumed: in the list' || char(10) || '  warmup: 1 s  # assumed: beside it'; INSERT "
      "INTO "
      "option VALUES (1, '--set', 'serving.pools=[{role: both}]')");
  db.close();
  const std::string page = report_page(database);
  EXPECT_EQ(page.find("assumed in the scenario: in the list"), std::string::npos);
  EXPECT_NE(page.find("assumed in the scenario: beside it"), std::string::npos);
}

TEST_F(ProvenanceTest, ShowsOfASweepWhatItsPointsShare) {
  const std::string database = training("a.db");
  results::Database db = results::Database::open_existing(database);
  db.exec(
      "UPDATE run SET wall_time = NULL, file = '/home/someone/a.yaml'; INSERT INTO sweep VALUES ('vary: {x: [1]}', 1, "
      "1, 1, 'complete'); INSERT INTO sweep_point (point, run, key, value, problem) VALUES (1, 1, 'x', '1', ''); "
      "INSERT INTO metric VALUES (1, 'kernel_error_median', 0.084, '', 'run'), (1, 'kernel_error_p90', 0.222, '', "
      "'run'), (1, 'kernel_time_interpolated_share', 1, '', 'run')");
  db.close();
  const std::string page = report_page(database);
  for (const char* of_one : {"/home/someone", "fingerprint", " events in ", "All settings in force"})
    EXPECT_EQ(page.find(of_one), std::string::npos) << of_one;
  EXPECT_NE(page.find("Scenario <code>a.yaml</code>, seed 7, moesim"), std::string::npos);
  EXPECT_NE(page.find("What is assumed?"), std::string::npos);
  EXPECT_NE(page.find("Settings that all points share (2)"), std::string::npos);
  EXPECT_NE(page.find("within 8.4 % and 22 %"), std::string::npos);
  EXPECT_NE(page.find("Where kernel times come from"), std::string::npos);
  EXPECT_EQ(page.find("class=\"alarm\""), std::string::npos);
  results::Database open = results::Database::open_existing(database);
  open.exec("UPDATE run SET state = 'running'");
  open.close();
  EXPECT_NE(report_page(database).find("1 of its runs did not come to their end"), std::string::npos);
}

TEST_F(ProvenanceTest, SaysInWhatThePointsOfASweepDiffer) {
  const std::string database = training("a.db");
  results::Database db = results::Database::open_existing(database);
  db.exec(
      "INSERT INTO run SELECT 2, title, study, file, scenario, replace(resolved, '2 GiB', '3 GiB') || 'x: 1' || "
      "char(10), "
      "8, version, state, fingerprint, events, simulated_time, wall_time, peak_rss FROM run; INSERT INTO assumption "
      "VALUES (2, 'run', 'precision', 'bf16', 'as asked'), (1, 'run', 'routing', 'balanced', 'default'), (2, 'run', "
      "'routing', 'balanced', 'default'); INSERT INTO sweep VALUES ('', 2, 1, 1, 'complete'); INSERT INTO sweep_point "
      "(point, run, key, value, problem) VALUES (1, 1, 'x', '0', ''), (2, 2, 'x', '1', '')");
  const Facts f = read_shared(db);
  EXPECT_EQ(f.resolved, "cluster.node.gpu.title: <s>GPU\n");
  EXPECT_EQ(f.differing,
            (std::map<std::string, std::string>{{"cluster.node.gpu.memory", "2 GiB (1); 3 GiB (1)"}, {"x", "1 (1)"}}));
  ASSERT_EQ(f.assumptions.size(), 2u);
  EXPECT_EQ(f.assumptions[0].value, "<u>fp8</u> (1); bf16 (1)");
  EXPECT_EQ(f.assumptions[1].value, "balanced");
  db.close();
  const std::string page = report_page(database);
  EXPECT_NE(page.find("seeds 7, 8"), std::string::npos);
  EXPECT_NE(page.find("Settings in which points differ (2)"), std::string::npos);
}
}  // namespace
}  // namespace moesim::pages
