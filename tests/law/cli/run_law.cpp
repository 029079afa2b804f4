// What must hold of `moesim run` whatever the numbers are.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "results/diff.h"
#include "support/program.h"

namespace moesim::cli {
namespace {

constexpr auto kScenario = R"(title: two nodes
model: deepseek-v2-lite
cluster: {node: hgx-h800, nodes: 2, fabric: ib-rail}
routing: {kind: log_normal}
passes:
  prefill: {steps: 1, sequences: 1, new_tokens: 512}
  decode: {steps: 2, sequences: 16, context: 512}
)";

class RunLaw : public testing::Test {
 protected:
  void SetUp() override { std::ofstream(folder_.file("s.yaml")) << kScenario; }
  Printed run(const std::string& arguments) { return moesim_prints("run s.yaml " + arguments, folder_); }
  results::Database open(const char* name) { return results::Database::open(folder_.file(name)); }
  TemporaryFolder folder_;
};

TEST_F(RunLaw, TheSameScenarioAndSeedGiveTheSameRowsAndBytes) {
  const Printed a = run("-o a.db"), b = run("-o b.db"), c = run("-o c.db --seed 2");
  ASSERT_EQ(a.exit_code, 0) << a.err;
  EXPECT_TRUE(results::difference(open("a.db"), open("b.db")).equal());
  EXPECT_FALSE(results::difference(open("a.db"), open("c.db")).same_fingerprint);
  EXPECT_EQ(a.out.substr(0, a.out.find("results in")), b.out.substr(0, b.out.find("results in")));
  EXPECT_EQ(a.err, "");
}

TEST_F(RunLaw, TimesOfEachGpuAddUpToTheRun) {
  ASSERT_EQ(run("-o a.db").exit_code, 0);
  const results::Database db = open("a.db");
  // Every GPU computes, waits for bytes or waits for others from the first event to the last; the last layer ends
  // within a step's exchange of the slowest GPU.
  EXPECT_EQ(
      db.value(
          "SELECT count(*) FROM gpu, run WHERE compute_time + exposed_time + idle_time > simulated_time * 1.000001"),
      "0");
  EXPECT_EQ(
      db.value("SELECT count(*) FROM gpu, run WHERE compute_time + exposed_time + idle_time < simulated_time * 0.95"),
      "0");
}

TEST_F(RunLaw, EveryTokenReachesItsExperts) {
  ASSERT_EQ(run("-o a.db").exit_code, 0);
  const results::Database db = open("a.db");
  // 16 GPUs x (512 + 2 x 16) tokens x 6 experts in each of 26 MoE layers.
  EXPECT_EQ(db.value("SELECT CAST(sum(tokens) AS INTEGER) FROM expert_load"),
            std::to_string(16 * (512 + 2 * 16) * 6 * 26));
  EXPECT_EQ(db.value("SELECT sum(expert_rows) FROM gpu"), std::to_string(16 * (512 + 2 * 16) * 6 * 26));
}

TEST_F(RunLaw, TheTimelineIsJsonWithATrackAStreamAndArrows) {
  ASSERT_EQ(run("-o a.db --timeline t.json --timeline-gpus 0-1,9").exit_code, 0);
  std::ifstream in(folder_.file("t.json"));
  const auto json = nlohmann::json::parse(in);
  std::set<std::string> threads, phases;
  std::set<int> gpus;
  for (const auto& e : json.at("traceEvents")) {
    phases.insert(e.at("ph"));
    if (e.at("ph") == "M" && e.at("name") == "thread_name") threads.insert(e.at("args").at("name"));
    if (e.at("ph") == "X") gpus.insert(e.at("pid").get<int>());
  }
  EXPECT_EQ(threads, (std::set<std::string>{"compute", "communication"}));
  EXPECT_EQ(gpus, (std::set<int>{0, 1, 9}));
  EXPECT_EQ(phases, (std::set<std::string>{"M", "X", "s", "f"}));
}

TEST_F(RunLaw, JsonIsOneObjectWithTheMetrics) {
  const Printed printed = run("-o a.db --json");
  const auto json = nlohmann::json::parse(printed.out);
  EXPECT_GT(json.at("metrics").at("balancedness").at("value").get<double>(), 0);
  EXPECT_EQ(json.at("metrics").at("step_time_mean").at("unit"), "s");
  EXPECT_EQ(json.at("fingerprint").get<std::string>().size(), 16u);
}

TEST_F(RunLaw, AFailedExpectationIsExitCodeOne) {
  std::ofstream(folder_.file("s.yaml"), std::ios::app) << "expect:\n  - {metric: balancedness, min: 1.5}\n";
  const Printed printed = run("-o a.db");
  EXPECT_EQ(printed.exit_code, 1);
  EXPECT_TRUE(printed.err.starts_with("s.yaml: expected balancedness of at least 1.5, got 0.")) << printed.err;
}

TEST(ListLaw, NamesEachFamilyOnce) {
  const TemporaryFolder folder;
  const auto json = nlohmann::json::parse(moesim_prints("list --json", folder).out);
  std::size_t named = 0;
  std::istringstream lines(moesim_prints("list", folder).out);
  for (std::string line; std::getline(lines, line);) named += json.at("families").contains(line);
  EXPECT_EQ(named, json.at("families").size());
}

TEST_F(RunLaw, SetMayBeRepeatedAndStandsBeforeTheScenario) {
  const Printed printed =
      moesim_prints("run --set passes.decode.steps=1 --set passes.prefill.steps=0 s.yaml -o a.db", folder_);
  ASSERT_EQ(printed.exit_code, 0) << printed.err;
  EXPECT_EQ(open("a.db").value("SELECT count(*) FROM step"), "1");
}

TEST_F(RunLaw, ASlowGpuSlowsTheWholeGroup) {
  ASSERT_EQ(run("-o a.db").exit_code, 0);
  ASSERT_EQ(run("-o b.db --set 'passes.slow_gpus=[{gpu: 3, speed: 0.5}]'").exit_code, 0);
  const auto seconds = [&](const char* name) { return std::stod(*open(name).value("SELECT simulated_time FROM run")); };
  EXPECT_GT(seconds("b.db"), 1.2 * seconds("a.db"));
}
}  // namespace
}  // namespace moesim::cli
