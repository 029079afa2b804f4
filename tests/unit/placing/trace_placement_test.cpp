// Strategies that need tokens, compared by a scenario that replays a trace.
#include <gtest/gtest.h>

#include "common/small_trace.h"
#include "placing/place_study.h"
#include "spec/catalogue.h"
#include "support/temporary_folder.h"

namespace moesim::placing {
namespace {
void run(const std::string& routing, const std::string& strategy, const std::string& more = "") {
  const Config scenario = Config::from_text(
      "model: deepseek-v2-lite\ncluster: {node: hgx-h800, nodes: 2, fabric: ib-rail}\nrouting: " + routing +
          "\nplace: {times: false, strategies: [" + strategy + "]" + more + "}\n",
      "place.yaml");
  results::Results results(":memory:", results::RunIdentity{});
  results::SpanLog spans;
  results::StudyRun study{scenario, 1, results, spans};
  run_place(study);
  EXPECT_GT(results.metric_value("balancedness"), 0) << strategy;
}

TEST(TracePlacement, StrategiesOfTokensPlanOnTheScenariosTraceOrSayWhereToGiveOne) {
  const TemporaryFolder folder;
  const std::string trace = write_small_trace(folder.file("trace.db"), spec::load_model("deepseek-v2-lite"));
  for (const char* strategy : kStrategiesOfTokens) {
    run("{trace: " + trace + "}", strategy);
    try {
      run("balanced", strategy);
      FAIL() << strategy;
    } catch (const ConfigError& e) {
      EXPECT_TRUE(std::string(e.what()).starts_with("place.yaml:4:")) << e.what();
      EXPECT_NE(std::string(e.what()).find(kAskForTrace), std::string::npos) << e.what();
    }
  }
}

TEST(TracePlacement, LoadsOfOtherExpertsAreNamedByTheirPlaceInTheList) {
  const TemporaryFolder folder;
  const std::string trace = write_small_trace(folder.file("trace.db"), spec::load_model("deepseek-v2-lite"));
  const std::string other = folder.write("other.json", "[[1, 2]]");
  try {
    run("balanced", "greedy", ", loads: [" + trace + ", " + other + "]");
    FAIL();
  } catch (const ConfigError& e) {
    const std::string place = "place.yaml:4:" + std::to_string(55 + trace.size()) + ": place.loads[1]: ";
    EXPECT_EQ(e.what(), place + "other: has 2 experts, but deepseek-v2-lite has 64");
  }
}
}  // namespace
}  // namespace moesim::placing
