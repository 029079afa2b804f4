// What is wrong with a sweep is said at its place, before anything runs.
#include <gtest/gtest.h>

#include <filesystem>

#include "runs/sweeping/sweep.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::runs {
namespace {

struct Case {
  std::string text, said;
};

TEST(SweepReject, SaysWhereAndWhatBeforeTheFirstRun) {
  const std::string axis = "vary: [{key: training.micro_batch, ";
  const Case cases[] = {
      {"vary: []", "3:7: vary: expected at least one axis"},
      {axis + "values: []}]", "3:44: vary[0].values: expected at least one value"},
      {"vary: [{key: training.micro_batch}]", "3:8: vary[0]: expected at least one value"},
      {axis + "values: [1], from: 1, to: 2}]", "3:44: vary[0].values: an axis has values, or from and to"},
      {axis + "from: 1}]", "3:8: vary[0]: a range has `from` and `to`; `to` is missing"},
      {axis + "to: 1}]", "3:8: vary[0]: a range has `from` and `to`; `from` is missing"},
      {axis + "from: 4, to: 1, steps: 3}]", "3:49: vary[0].to: must be above from (4), got 1"},
      {axis + "from: 0, to: 1, steps: 3, scale: log}]",
       "3:42: vary[0].from: must be above 0 on a logarithmic scale, got 0"},
      {axis + "from: 1, to: 4, steps: 1}]", "3:59: vary[0].steps: must be at least 2, both ends, got 1"},
      {axis + "from: 1, to: 4, steps: 7, whole: true}]",
       "3:59: vary[0].steps: 7 steps give 2 more than once, rounded to whole numbers; take fewer"},
      {axis + "from: 1 ms, to: 4 s, steps: 3}]", "3:52: vary[0].to: must be in the unit of from (1 ms), got 4 s"},
      {axis + "from: 4 ms, to: 1 ms, steps: 3}]", "3:52: vary[0].to: must be above from (4 ms), got 1 ms"},
      {axis + "from: 1 %!, to: 4 %!, steps: 3}]",
       "3:42: vary[0].from: expected a number, or one with a unit (250 ms), got \"1 %!\""},
      {axis + "from: 1, to: 4}]",
       "3:8: vary[0]: a grid or list needs `steps` between from and to; designs that draw their points need none "
       "(design: {kind: latin_hypercube, points: 40})"},
      {axis + "values: [1], steps: 4}]",
       "3:56: vary[0].steps: has no effect on values that are listed; it belongs to from and to"},
      {axis + "values: [1, 2]}, {key: fold, values: [none]}]\ndesign: list",
       "3:53: vary[1]: a list takes the values of all axes side by side: expected 2 as the first axis has, got 1"},
      {axis + "values: [1, 2]}]\ndesign: {kind: random, points: 0}",
       "4:32: design.points: must be at least 1 and at most 1000000, got 0"},
      {axis + "values: [1, 2]}]\ndesign: random",
       "4:9: design: missing key \"points\", as in {kind: random, points: ...}"},
      {axis + "values: [1, 2]}]\ndesign: {kind: grid, points: 3}",
       "4:22: design: unknown key \"points\"; known keys: kind"},
      {axis + "values: [1, 2]}]\nseeds: [1, 2, 1]", "4:8: seeds: seed 1 is listed twice"},
      {axis + "values: [1, 2]}]\nseeds: []", "4:8: seeds: expected at least one seed"},
      {axis + "values: [1, 2]}]\nseeds: 0", "4:8: seeds: must be at least 1 and at most 10000, got 0"},
      {"vary: [{key: seed, values: [1, 2]}]\nseeds: 2", "4:8: seeds: the seed varies already: it is an axis"},
      {axis + "values: [1, 2]}]\nset: [seed=4]\nseeds: 2", "5:8: seeds: the seed is set already: seed=4"},
      {axis + "values: [1, 2]}]\nset: [training.batch]",
       "4:7: set[0]: expected key.path=value, got \"training.batch\""},
      {"vary: [{key: training.micro_batc, values: [1, 2]}, {key: seed, values: [1, 2]}]",
       "3:14: vary[0].key: sets a value that the scenario does not have: unknown key \"micro_batc\"; did you mean "
       "\"micro_batch\"?"},
      {"vary: [{key: trainin.micro_batch, values: [1, 2]}]",
       "3:14: vary[0].key: sets a value that the scenario does not have: unknown key \"trainin\"; did you mean "
       "\"training\"?"},
      {"vary: [{key: training.paralel.tensor, values: [1, 2]}]",
       "3:14: vary[0].key: sets a value that the scenario does not have: unknown key \"paralel\"; did you mean "
       "\"parallel\"?"},
      {axis + "values: [1, 2]}]\nset: [training.bach=8, fold=none]",
       "4:7: set[0]: sets a value that the scenario does not have: unknown key \"bach\"; did you mean \"batch\"?"},
      {axis + "values: [1, 2]}]\nset: [fold=none, training.bach=8]",
       "4:18: set[1]: sets a value that the scenario does not have: unknown key \"bach\"; did you mean \"batch\"?"},
      {axis + "values: [1, 2]}]\nshow: [step_time, step_tim]",
       "4:19: show[1]: the runs have no metric called \"step_tim\"; did you mean \"step_time\"?"},
  };
  for (const Case& c : cases) {
    TemporaryFolder folder;
    put_file(folder.file("s.yaml"), "title: t\nscenario: train-mixtral-8x7b\n" + c.text + "\n");
    const std::string said =
        test::refusal_of([&] { (void)sweep({.file = folder.file("s.yaml"), .output = folder.file("o.db")}); });
    EXPECT_EQ(said, folder.file("s.yaml") + ":" + c.said) << c.text;
    EXPECT_FALSE(std::filesystem::exists(folder.file("o.db"))) << c.text;
  }
}

TEST(SweepReject, OfAServiceForKeysAndFiguresThatItDoesNotHave) {
  TemporaryFolder folder;
  const auto said = [&](const std::string& text) {
    put_file(folder.file("s.yaml"), "title: t\nscenario: serve-mixtral-8x7b\n" + text);
    return test::refusal_of([&] { (void)sweep({.file = folder.file("s.yaml"), .output = folder.file("o.db")}); });
  };
  const std::string start = folder.file("s.yaml") + ":";
  EXPECT_EQ(said("vary: [{key: serving.workload.rat, values: [1, 2]}]\n"),
            start +
                "3:14: vary[0].key: sets a value that the scenario does not have: unknown key \"rat\"; did you mean "
                "\"rate\"?");
  const std::string rate = "vary: [{key: serving.workload.rate, values: [1, 2]}]\n";
  EXPECT_EQ(said(rate + "show: [ttft_p90, step_time]\n"),
            start +
                "4:18: show[1]: step_time is a figure of passes training; these runs are of serving; did you mean "
                "\"step_time_mean\"?");
  EXPECT_EQ(said(rate + "show: [bubble_time]\n").find(start + "4:8: show[0]: bubble_time is a figure of training"), 0u);
}

/// Not points that fall one after the other, each by what is none of its values.
TEST(SweepReject, AScenarioThatIsWrongForEveryPoint) {
  TemporaryFolder folder;
  const auto said = [&](const std::string& fabric, const std::string& axis) {
    put_file(folder.file("base.yaml"),
             "model: deepseek-v2-lite\ncluster: {node: hgx-h100, nodes: 2" + fabric +
                 "}\nserving:\n  duration: 2 s\n  workload: {kind: poisson, rate: 5}\n  pools: [{parallel: {data: "
                 "8}}]\n");
    put_file(folder.file("s.yaml"), "title: t\nscenario: base.yaml\nvary: [{key: " + axis + "}]\n");
    return test::refusal_of([&] { (void)sweep({.file = folder.file("s.yaml"), .output = folder.file("o.db")}); });
  };
  const std::string rates = "serving.workload.rate, values: [1, 2, 3]";
  const std::string missing = said("", rates);
  EXPECT_TRUE(missing.starts_with(folder.file("base.yaml") + ":2:")) << missing;
  EXPECT_TRUE(missing.ends_with("(the same for all 3 points)")) << missing;
  EXPECT_FALSE(std::filesystem::exists(folder.file("o.db")));
  EXPECT_EQ(said(", fabric: ib-rail", "'serving.pools[0].parallel.data', values: [8, 3000]"), "accepted")
      << "a point that cannot be is a row";
}

TEST(SweepReject, APlan) {
  TemporaryFolder folder;
  put_file(folder.file("s.yaml"),
           "title: t\nscenario: size-mixtral-8x7b\nvary: [{key: size.growth, values: [1, 2]}]\nshow: [gpus]\n");
  const std::string said =
      test::refusal_of([&] { (void)sweep({.file = folder.file("s.yaml"), .output = folder.file("o.db")}); });
  EXPECT_NE(said.find("is a plan, and a scenario was expected; moesim size size-mixtral-8x7b runs it"),
            std::string::npos)
      << said;
  EXPECT_FALSE(std::filesystem::exists(folder.file("o.db")));
}

TEST(SweepReject, AMetricThatNothingIsLikeIsAnsweredWithTheList) {
  TemporaryFolder folder;
  put_file(folder.file("s.yaml"),
           "title: t\nscenario: train-mixtral-8x7b\nvary: [{key: seed, values: [1, 2]}]\nshow: [happiness]\n");
  const std::string said =
      test::refusal_of([&] { (void)sweep({.file = folder.file("s.yaml"), .output = folder.file("o.db")}); });
  EXPECT_NE(said.find("no metric called \"happiness\"; they have: "), std::string::npos) << said;
  for (const char* name : {"step_time", "goodput", "ttft_p99", "tpot_mean", "peak_memory"})
    EXPECT_NE(said.find(std::string(" ") + name), std::string::npos) << name;
}
}  // namespace
}  // namespace moesim::runs
