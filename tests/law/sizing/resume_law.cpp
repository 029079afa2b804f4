// A search that was cut short, or shared out over processes, answers as one that was not, and simulates nothing twice.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/files.h"
#include "core/random.h"
#include "law/sizing/cut_short.h"
#include "law/sizing/small_plans.h"
#include "results/program.h"
#include "results/schema.h"
#include "sizing/trial_book.h"
#include "support/refusal.h"

namespace moesim::sizing {
namespace {

class Resume : public CutShort {
 protected:
  Resume() : CutShort("plan.yaml", {"candidate", "candidate_pool", "variation"}, "trial") {}
  void SetUp() override { put_file(file("plan.yaml"), small_plan(3)); }
  static std::string state(const std::string& db) {
    return *results::Database::open(db).value("SELECT state FROM run");
  }
  void expect_nothing_set_aside() const {
    for (const auto& left : std::filesystem::directory_iterator(folder_.file("")))
      EXPECT_EQ(left.path().string().find("unfinished"), std::string::npos) << left.path();
  }
};

TEST_F(Resume, AnswersTheSameWhateverWasSimulatedBefore) {
  const std::string whole = answer(options("one.db")), one = contents(file("one.db"));
  ASSERT_GT(trials(file("one.db")), 5);
  for (const char* keep : {"0", "rowid % 2 = 1"}) {
    std::filesystem::copy_file(file("one.db"), file("cut.db"));
    cut(file("cut.db"), keep);
    SizeOptions resumed = options("cut.db");
    resumed.resume = true;
    EXPECT_EQ(answer(resumed), whole) << keep;
    EXPECT_EQ(contents(file("cut.db")), one) << keep;
    std::filesystem::remove(file("cut.db"));
  }
  expect_nothing_set_aside();
}

TEST_F(Resume, OfAFinishedSearchAnswersFromItAndLeavesIt) {
  const std::string whole = answer(options("one.db"));
  const std::string bytes = read_file(file("one.db"));
  SizeOptions again = options("one.db");
  again.resume = true;
  EXPECT_EQ(answer(again), whole);
  EXPECT_EQ(read_file(file("one.db")), bytes);
}

TEST_F(Resume, OfMergedShardsAnswersAsOneProcess) {
  const std::string whole = answer(options("one.db"));
  std::vector<std::string> shards;
  for (int k = 1; k <= 3; ++k) {
    SizeOptions part = options(fmt::format("shard{}.db", k));
    part.shard = {k, 3};
    testing::internal::CaptureStdout();
    EXPECT_EQ(size(part), 0);
    (void)testing::internal::GetCapturedStdout();
    shards.push_back(part.output);
  }
  merge_trials(file("all.db"), shards);
  EXPECT_EQ(state(file("all.db")), "unanswered");
  EXPECT_EQ(test::refusal_of([&] { (void)results::make_way(file("all.db")); }),
            file("all.db") + ": already exists; choose another name with -o, or overwrite it with --force");
  SizeOptions resumed = options("all.db");
  resumed.resume = true;
  EXPECT_EQ(answer(resumed), whole);
  EXPECT_EQ(state(file("all.db")), "complete");
  EXPECT_GE(trials(file("all.db")), trials(file("one.db")));
  expect_nothing_set_aside();
}

TEST_F(Resume, OfAShardThatIsDoneLeavesIt) {
  SizeOptions part = options("shard.db");
  part.shard = {2, 3};
  testing::internal::CaptureStdout();
  EXPECT_EQ(size(part), 0);
  EXPECT_EQ(state(part.output), "unanswered");
  const std::string bytes = read_file(part.output);
  part.resume = true;
  EXPECT_EQ(size(part), 0);
  (void)testing::internal::GetCapturedStdout();
  EXPECT_EQ(read_file(part.output), bytes);
  expect_nothing_set_aside();
}

/// What a search's own simulation of its answer wrote is what the answer simulated again writes.
TEST_F(Resume, KeepsTheAnswersRunWhetherItSimulatedItOrNot) {
  const std::string whole = answer(options("one.db"));
  std::filesystem::copy_file(file("one.db"), file("cut.db"));
  cut(file("cut.db"), "1");
  SizeOptions resumed = options("cut.db");
  resumed.resume = true;
  EXPECT_EQ(answer(resumed), whole);
  std::size_t filled = 0;
  for (const results::TableDefinition& table : results::tables()) {
    if (table.name == "run") continue;
    const std::string rows = rows_of(file("one.db"), std::string(table.name));
    EXPECT_EQ(rows_of(file("cut.db"), std::string(table.name)), rows) << table.name;
    filled += rows.empty() ? 0 : 1;
  }
  EXPECT_GE(filled, 8u);
  EXPECT_NE(rows_of(file("one.db"), "request"), "");
  const auto ending = [&](const std::string& db) {
    const results::Database database = results::Database::open(db);
    return *database.value("SELECT fingerprint || simulated_time || resolved FROM run");
  };
  EXPECT_EQ(ending(file("cut.db")), ending(file("one.db")));
}

TEST_F(Resume, TakesOnlyWhatIsOfTheSameSearch) {
  (void)answer(options("one.db"));
  cut(file("one.db"), "1");
  const auto refused = [&](const auto& change) {
    SizeOptions other = options("one.db");
    other.resume = true;
    change(other);
    return test::refusal_of([&] { (void)size(other); });
  };
  const std::string start = file("one.db") + ": cannot be gone on with: ";
  EXPECT_EQ(refused([](SizeOptions& o) { o.seed = 17; }), start + "it is of seed 3, asked for is 17");
  EXPECT_EQ(refused([](SizeOptions& o) {
              o.overrides = {{"size.growth", "2"}, {"seed", "3"}};
            }),
            start + "it is of no --set, asked for is --set seed=3 --set size.growth=2");
  EXPECT_EQ(refused([](SizeOptions& o) { o.shard = {1, 2}; }), start + "it is no shard, asked for is 1/2");
  put_file(file("plan.yaml"), small_plan(3) + "# changed\n");
  EXPECT_EQ(refused([](SizeOptions&) {}), start + "it is of another plan, or of another text of it");
  put_file(file("plan.yaml"), small_plan(3));
  EXPECT_EQ(refused([](SizeOptions& o) { o.output.clear(); }),
            "--resume: needs -o, the database that holds the simulations");
  EXPECT_EQ(refused([](SizeOptions& o) { o.shard = {3, 2}; }), "--shard: expected I/N with 1 <= I <= N, got 3/2");
  test::change_database(file("one.db"), "UPDATE run SET version = '0.0.9'");
  EXPECT_EQ(refused([](SizeOptions&) {}),
            start + fmt::format("it is of version 0.0.9, this is {}", results::program()));
  test::change_database(file("one.db"), fmt::format("UPDATE run SET version = '{}'", results::program()));
}

/// Shards that hold nothing: what is held against each other is what they are of.
TEST_F(Resume, MergesEveryShardOfOneSearchOnce) {
  (void)answer(options("whole.db"));
  cut(file("whole.db"), "rowid < 3");
  const auto shard = [&](const std::string& name, const std::string& asked) {
    std::filesystem::copy_file(file("whole.db"), file(name));
    test::change_database(file(name), fmt::format("UPDATE run SET resolved = '{}'", asked));
    return file(name);
  };
  const std::string one = shard("1.db", "shard: 1/2\n"), two = shard("2.db", "shard: 2/2\nsize.growth: 1\n"),
                    other = shard("other.db", "set size.growth: 2\nshard: 2/2\n"),
                    third = shard("3.db", "shard: 3/3\n");
  const auto refused = [&](const std::vector<std::string>& shards) {
    return test::refusal_of([&] { merge_trials(file("all.db"), shards); });
  };
  EXPECT_EQ(refused({one, other}), other + ": cannot be merged: it is of --set size.growth=2, the first one no --set");
  EXPECT_EQ(refused({one, one}), one + " and " + one + " are both shard 1/2");
  EXPECT_EQ(refused({two}), "shard 1/2 is missing; name all shards, or merge what there is with --partial");
  EXPECT_EQ(refused({one, third}), third + ": cannot be merged: it is shard 3/3, the first one is of 2");
  EXPECT_EQ(refused({file("whole.db")}),
            file("whole.db") + ": cannot be merged: it is no shard: moesim size --shard writes them");
  SizeOptions foreign = options("1.db");
  foreign.resume = true, foreign.shard = {2, 2};
  EXPECT_EQ(test::refusal_of([&] { (void)size(foreign); }),
            one + ": cannot be gone on with: it is shard 1/2, asked for is 2/2");
  merge_trials(file("part.db"), {two}, true);
  EXPECT_EQ(trials(file("part.db")), 2);
  test::change_database(two, "UPDATE trial SET share = share / 2 WHERE rowid = 1");
  EXPECT_EQ(refused({one, two}),
            two + ": cannot be merged: one of its simulations came out otherwise than the same one before");
  EXPECT_FALSE(std::filesystem::exists(file("all.db")));
}
}  // namespace
}  // namespace moesim::sizing
