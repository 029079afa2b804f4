#include "results/diff.h"

#include <gtest/gtest.h>

#include "core/config.h"
#include "results/results.h"
#include "support/sql.h"
#include "support/temporary_folder.h"

namespace moesim::results {
namespace {
class DiffTest : public testing::Test {
 protected:
  Database run(const char* name, double step_time, const std::string& resolved, std::uint64_t fingerprint) {
    const std::string file = folder_.file(name);
    Results results(file, {"t", "passes", "a.yaml", "", "", 1});
    results.metric("step_time", step_time, "s");
    results.add(Table::expert_load, {3, "decode", 0, step_time});
    results.finish({"complete", fingerprint, 1, 1_s, step_time}, resolved);
    return Database::open(file);
  }
  TemporaryFolder folder_;
};

TEST_F(DiffTest, EqualRunsAreEqualWhateverTheirWallTime) {
  EXPECT_TRUE(difference(run("a.db", 1, "seed: 1\n", 5), run("b.db", 1, "seed: 1\n", 5)).equal());
}

TEST_F(DiffTest, NamesTheSettingTheMetricAndTheRow) {
  const RunDifference d = difference(run("a.db", 2, "seed: 1\n", 5), run("b.db", 1, "seed: 2\n", 6));
  EXPECT_FALSE(d.same_fingerprint);
  EXPECT_EQ(d.settings, std::vector<std::string>{"seed: 1 -> 2"});
  ASSERT_EQ(d.metrics.size(), 1u);
  EXPECT_EQ(d.metrics[0].a, 2);
  EXPECT_EQ(d.rows, std::vector<std::string>{"expert_load: row 0: 1, 3, decode, 0, 2.0 -> 1, 3, decode, 0, 1.0"});
  EXPECT_NE(difference_text(d, "a", "b").find("-50 %"), std::string::npos);
}

TEST_F(DiffTest, RefusesAnotherKindOfDatabase) {
  const std::string file = folder_.file("other.db");
  Database::create(file).exec("CREATE TABLE t (x)");
  const Database other = Database::open(file);
  EXPECT_THROW(difference(other, other), ConfigError);
}

TEST_F(DiffTest, RefusesAnotherSchemaVersion) {
  run("old.db", 1, "", 5);
  test::change_database(folder_.file("old.db"), "PRAGMA user_version = 1");
  try {
    difference(run("new.db", 1, "", 5), Database::open(folder_.file("old.db")));
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_EQ(e.what(), folder_.file("old.db") +
                            ": is a results database of schema version 1, this program reads version 3; run it again");
  }
}

// One that falls to nothing has changed by all it was; still what only one run has stands before it.
TEST_F(DiffTest, WhatOneRunLacksStandsBeforeWhatChanges) {
  RunDifference d;
  d.metrics = {{"run", "step_time", "s", 1, 0}, {"run", "forward_time", "s", 0, 3, false, true}};
  const std::string text = difference_text(d, "x", "y");
  EXPECT_LT(text.find("forward_time"), text.find("step_time")) << text;
  EXPECT_NE(text.find("absent"), std::string::npos);
}

TEST_F(DiffTest, SaysWhichWayAChangeIsBetter) {
  const RunDifference d = difference(run("a.db", 2, "", 5), run("b.db", 1, "", 5));
  EXPECT_NE(difference_text(d, "a", "b").find("-50 %  better\n"), std::string::npos) << difference_text(d, "a", "b");
  const RunDifference back = difference(run("c.db", 1, "", 5), run("d.db", 2, "", 5));
  EXPECT_NE(difference_text(back, "a", "b").find("+100 %  worse\n"), std::string::npos);
}
}  // namespace
}  // namespace moesim::results
