// A sweep's rows do not depend on how many threads ran it, how it was cut into shards, nor how often it was cut short.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "core/random.h"
#include "results/output.h"
#include "results/program.h"
#include "results/store.h"
#include "runs/sweeping/confidence.h"
#include "runs/sweeping/merge.h"
#include "runs/sweeping/sweep.h"
#include "runs/sweeping/sweep_rows.h"
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
    for (const char* table : {"run", "metric", "series", "stage", "sweep", "sweep_point"}) {
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

/// As a sweep leaves it that is killed after some of its points: those of these numbers are missing.
void lose_points(const std::string& db, const std::vector<int>& numbers) {
  for (const int number : numbers) {
    for (const std::string_view table : kSweptTables)
      test::change_database(db, fmt::format("DELETE FROM {} WHERE run = {}", table, number + 1));
    test::change_database(db, fmt::format("DELETE FROM sweep_point WHERE point = {}", number));
  }
  test::change_database(db, "UPDATE sweep SET state = 'running'");
  test::change_database(db, fmt::format("PRAGMA application_id = {}", results::kUnfinished));
}

TEST_F(Sweep, GivesTheSameRowsWhateverWasStoredBeforeItWasResumed) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(sweep({.file = file("sweep.yaml"), .output = file("one.db")}), 0);
  const std::string shown = testing::internal::GetCapturedStdout(), one = contents(file("one.db"));
  Random random(1, "lost points");
  for (int round = 0; round < 8; ++round) {
    std::filesystem::copy_file(file("one.db"), file("cut.db"));
    std::vector<int> lost;
    for (int i = 0; i < 6; ++i)
      if (round == 0 || random.below(2) == 0) lost.push_back(i);
    lose_points(file("cut.db"), lost);
    testing::internal::CaptureStdout();
    EXPECT_EQ(sweep({.file = file("sweep.yaml"), .output = file("cut.db"), .jobs = 2, .resume = true}), 0);
    const std::string again = testing::internal::GetCapturedStdout();
    EXPECT_EQ(contents(file("cut.db")), one) << "round " << round;
    EXPECT_EQ(again.substr(0, again.find("results in")), shown.substr(0, shown.find("results in")));
    std::filesystem::remove(file("cut.db"));
  }
}

TEST_F(Sweep, ThatIsCompleteIsShownAgainAndThatIsNotThereBegins) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(sweep({.file = file("sweep.yaml"), .output = file("one.db"), .resume = true}), 0);
  const std::string shown = testing::internal::GetCapturedStdout();
  test::change_database(file("one.db"), "UPDATE metric SET value = 7 WHERE run = 1 AND name = 'step_time'");
  testing::internal::CaptureStdout();
  EXPECT_EQ(sweep({.file = file("sweep.yaml"), .output = file("one.db"), .resume = true}), 0);
  const std::string again = testing::internal::GetCapturedStdout();
  EXPECT_NE(shown, again);
  EXPECT_NE(again.find("7.00 s"), std::string::npos) << again;  // as stored: nothing was run
}

TEST_F(Sweep, IsOnlyResumedAsWhatItWas) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(sweep({.file = file("sweep.yaml"), .output = file("one.db")}), 0);
  lose_points(file("one.db"), {2, 4});
  const auto refused = [&](int shard, int shards) {
    return test::refusal_of([&] {
      (void)sweep(
          {.file = file("sweep.yaml"), .output = file("one.db"), .shard = shard, .shards = shards, .resume = true});
    });
  };
  const std::string before = contents(file("one.db")), start = file("one.db") + ": cannot be gone on with: ";
  EXPECT_EQ(refused(1, 2), start + "it is shard 1/1, asked for is 1/2");
  {
    const Descriptor lock = results::lock_output(file("one.db"));
    EXPECT_NE(refused(1, 1).find(file("one.db") + ": is being written by "), std::string::npos);
  }
  test::change_database(file("one.db"), "UPDATE run SET version = '0.0.9' WHERE run = 1");
  EXPECT_EQ(refused(1, 1), start + "its points were run by version 0.0.9, this is " + results::program());
  test::change_database(file("one.db"), fmt::format("UPDATE run SET version = '{}'", results::program()));
  EXPECT_EQ(contents(file("one.db")), before);
  const std::string base = read_file(file("base.yaml")), text = read_file(file("sweep.yaml"));
  put_file(file("base.yaml"), base + "seed: 2\n");
  EXPECT_EQ(refused(1, 1), start + "its points were run with another text of the scenario");
  put_file(file("base.yaml"), base);
  put_file(file("sweep.yaml"), text + "show: [bubble_time]\n");
  EXPECT_EQ(refused(1, 1), start + "it is of another sweep, or of another text of it");
  put_file(file("sweep.yaml"), text);
  put_file(file("other.db"), "");
  EXPECT_EQ(contents(file("one.db")), before);  // nothing was lost by refusing
  EXPECT_EQ(sweep({.file = file("sweep.yaml"), .output = file("one.db"), .resume = true}), 0);
  (void)testing::internal::GetCapturedStdout();
}

TEST_F(Sweep, WithSeveralSeedsRunsEachAndShowsMeansWithTheirIntervals) {
  put_file(file("sweep.yaml"),
           "title: seeds\nscenario: base.yaml\nvary: [{key: training.schedule, values: [1f1b, dualpipe]}]\n"
           "seeds: [3, 9, 4]\nshow: [step_time, bubble_time]\n");
  testing::internal::CaptureStdout();
  EXPECT_EQ(sweep({.file = file("sweep.yaml"), .output = file("one.db"), .json = true}), 0);
  const auto shown = nlohmann::json::parse(testing::internal::GetCapturedStdout());
  const results::Database db = results::Database::open(file("one.db"));
  EXPECT_EQ(db.value("SELECT group_concat(seed) FROM run"), "3,9,4,3,9,4");
  EXPECT_EQ(db.value("SELECT group_concat(value) FROM sweep_point WHERE key = 'seed'"), "3,9,4,3,9,4");
  ASSERT_EQ(shown["points"].size(), 2u);
  for (int p = 0; p < 2; ++p) {
    std::vector<double> times;
    results::Statement s = db.prepare(
        "SELECT value FROM metric WHERE name = 'step_time' AND scope = 'run' AND run > ? "
        "AND run <= ? + 3");
    s.bind(0, 3 * p).bind(1, 3 * p);
    while (s.step()) times.push_back(s.real(0));
    ASSERT_EQ(times.size(), 3u);
    const auto& one = shown["points"][std::size_t(p)];
    EXPECT_EQ(one["seeds"], 3);
    EXPECT_EQ(one["metrics"]["step_time"]["unit"], "s");
    EXPECT_DOUBLE_EQ(one["metrics"]["step_time"]["mean"].get<double>(), mean_of(times).mean);
    EXPECT_DOUBLE_EQ(one["metrics"]["step_time"]["half_width"].get<double>(), mean_of(times).half_width);
    EXPECT_GT(mean_of(times).half_width, 0);  // the seeds draw other loads
  }
}

TEST_F(Sweep, WithSeedsTakesItsOwnOrderUnderShardsToo) {
  put_file(file("sweep.yaml"),
           "title: seeds\nscenario: base.yaml\nvary: [{key: training.micro_batch, from: 1, to: 4, steps: 2, scale: "
           "log, whole: true}]\nseeds: 3\n");
  testing::internal::CaptureStdout();
  EXPECT_EQ(sweep({.file = file("sweep.yaml"), .output = file("one.db"), .jobs = 2}), 0);
  EXPECT_EQ(sweep({.file = file("sweep.yaml"), .output = file("a.db"), .shard = 1, .shards = 2}), 0);
  EXPECT_EQ(sweep({.file = file("sweep.yaml"), .output = file("b.db"), .shard = 2, .shards = 2}), 0);
  (void)testing::internal::GetCapturedStdout();
  merge_sweeps({file("merged.db"), {file("a.db"), file("b.db")}});
  EXPECT_EQ(contents(file("one.db")), contents(file("merged.db")));
  EXPECT_EQ(
      results::Database::open(file("one.db")).value("SELECT group_concat(value) FROM sweep_point WHERE key <> 'seed'"),
      "1,1,1,4,4,4");
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
