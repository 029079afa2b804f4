// A sweep's rows do not depend on how many threads ran it, nor on how it was cut into shards.
#include <gtest/gtest.h>

#include <filesystem>

#include "results/store.h"
#include "runs/merge.h"
#include "runs/sweep.h"
#include "support/refusal.h"
#include "support/sql.h"
#include "support/temporary_folder.h"

namespace moesim::runs {
namespace {

class Sweep : public testing::Test {
 protected:
  void SetUp() override {
    put_file(file("base.yaml"),
             "title: small\nmodel: deepseek-v2-lite\ncluster: h800-32\nrouting: {kind: log_normal, sigma: 0.4}\n"
             "training: {sequence: 1024, batch: 128, recompute: selective, parallel: {pipeline: 2, expert: 8}}\n");
    put_file(file("sweep.yaml"),
             "title: schedules\nscenario: base.yaml\nvary:\n"
             "  - {key: training.schedule, values: [1f1b, dualpipe, \"{kind: interleaved_1f1b, chunks: 2}\"]}\n"
             "  - {key: training.micro_batch, values: [1, 3]}\n");
  }
  std::string file(const std::string& name) const { return folder_.file(name); }
  static std::string contents(const std::string& db) {
    std::string out;
    const results::Database database = results::Database::open(db);
    for (const char* table : {"run", "metric", "series", "stage", "sweep_point"}) {
      results::Statement s = database.prepare(std::string("SELECT * FROM ") + table + " ORDER BY rowid");
      while (s.step())
        for (int c = 0; c < s.columns(); ++c) out += s.text(c) + "|";
    }
    return out;
  }
  TemporaryFolder folder_;
};

TEST_F(Sweep, GivesTheSameRowsForAnyThreadsAndShards) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(sweep({file("sweep.yaml"), file("one.db"), 1, 1, 1}), 0);
  EXPECT_EQ(sweep({file("sweep.yaml"), file("two.db"), 3, 1, 1}), 0);
  EXPECT_EQ(sweep({file("sweep.yaml"), file("a.db"), 1, 1, 2}), 0);
  EXPECT_EQ(sweep({file("sweep.yaml"), file("b.db"), 1, 2, 2}), 1);  // its points are the impossible ones
  merge_sweeps({file("merged.db"), {file("b.db"), file("a.db")}});
  const std::string shown = testing::internal::GetCapturedStdout();
  const std::string one = contents(file("one.db"));
  EXPECT_GT(one.size(), 1000u);
  EXPECT_EQ(one, contents(file("two.db")));
  EXPECT_EQ(one, contents(file("merged.db")));
  // 128 sequences do not divide into micro-batches of 3: a row with the reason, not an error.
  EXPECT_NE(shown.find("point 1 cannot be run: "), std::string::npos);
}

TEST_F(Sweep, IsMergedWholeOrAskedFor) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(sweep({file("sweep.yaml"), file("one.db"), 2, 1, 1}), 0);
  EXPECT_EQ(sweep({file("sweep.yaml"), file("a.db"), 1, 1, 2}), 0);
  EXPECT_EQ(sweep({file("sweep.yaml"), file("b.db"), 1, 2, 2}), 1);
  (void)testing::internal::GetCapturedStdout();
  const auto refused = [&](std::vector<std::string> shards) {
    for (std::string& shard : shards) shard = file(shard);
    return test::refusal_of([&] { merge_sweeps({file("new.db"), shards}); });
  };
  EXPECT_EQ(refused({"a.db"}),
            "3 points of 6 are missing: 1, 3, 5; name all shards, or merge what there is with --partial");
  EXPECT_EQ(refused({"a.db", "a.db"}), file("a.db") + ": is given twice");
  EXPECT_EQ(refused({"a.db", "one.db"}), file("a.db") + " and " + file("one.db") + " both hold point 0");
  EXPECT_EQ(refused({"a.db", "c.db"}), file("c.db") + ": no such file");
  EXPECT_FALSE(std::filesystem::exists(file("new.db")));

  merge_sweeps({file("part.db"), {file("a.db")}, true});
  EXPECT_EQ(results::Database::open(file("part.db")).value("SELECT count(*) FROM run"), "3");
  test::change_database(file("b.db"), "UPDATE sweep SET sweep = 'vary: []'");
  EXPECT_EQ(refused({"a.db", "b.db"}), file("b.db") + ": is of another sweep than those before it");
  test::change_database(file("b.db"), "PRAGMA user_version = 1");
  EXPECT_THROW(merge_sweeps({file("old.db"), {file("b.db"), file("a.db")}}), ConfigError);
}

TEST_F(Sweep, NumbersOfPointsAreNumbers) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(sweep({file("sweep.yaml"), file("whole.db"), 2, 1, 1}), 0);
  (void)testing::internal::GetCapturedStdout();
  const std::pair<const char*, const char*> cases[] = {
      {"UPDATE metric SET run = 'one'", "table metric: column 1"},
      {"UPDATE metric SET run = -1", "table metric: column 1"},
      {"UPDATE metric SET run = 1e300", "table metric: column 1"},
      {"UPDATE stage SET run = x'00'", "table stage: column 1"},
      {"UPDATE sweep_point SET point = 'first'", "table sweep_point: column 1"},
      {"UPDATE sweep SET points = 'all'", "table sweep: column 2"},
      {"UPDATE sweep SET points = 9000000000000000000", "table sweep: column 2"},
  };
  for (const auto& [change, where] : cases) {
    std::filesystem::copy_file(file("whole.db"), file("a.db"));
    test::change_database(file("a.db"), change);
    const std::string said = test::refusal_of([&] { merge_sweeps({file("new.db"), {file("a.db")}}); });
    EXPECT_EQ(said, file("a.db") + ": " + where + " is no number of a point") << change;
    EXPECT_FALSE(std::filesystem::exists(file("new.db"))) << change;
    std::filesystem::remove(file("a.db"));
  }
}

TEST_F(Sweep, ADryRunOfPointsThatCannotBeReadSaysWhy) {
  put_file(file("sweep.yaml"),
           "title: none\nscenario: base.yaml\nvary:\n  - {key: training.micro_batches, values: [1, 2]}\n");
  SweepOptions options{file("sweep.yaml"), file("one.db"), 1, 1, 1};
  options.limits.dry_run = true;
  const std::string said = test::refusal_of([&] { (void)sweep(options); });
  EXPECT_NE(said.find("unknown key \"micro_batches\"; did you mean \"micro_batch\"?"), std::string::npos) << said;
  EXPECT_FALSE(std::filesystem::exists(file("one.db")));
}
}  // namespace
}  // namespace moesim::runs
