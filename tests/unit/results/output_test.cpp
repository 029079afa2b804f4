// Who may write an output, what readers meet, and what is left of a run that does not end.
#include "results/output.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>

#include "core/files.h"
#include "results/results.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::results {
namespace {
namespace fs = std::filesystem;

class OutputTest : public testing::Test {
 protected:
  std::string file(const char* name) const { return folder_.file(name); }
  std::string value(const std::string& name, const char* sql) const {
    return Database::open(name).value(sql).value_or("none");
  }
  TemporaryFolder folder_;
};

void finish(Results& results) { results.finish({"complete", 1, 1, 1_s, 0.1}, ""); }

/// A connection that has read once and stays open, as a notebook's does.
std::shared_ptr<sqlite3> idle_reader(const std::string& file) {
  sqlite3* raw = nullptr;
  EXPECT_EQ(sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(raw, "SELECT count(*) FROM run", nullptr, nullptr, nullptr), SQLITE_OK);
  return {raw, sqlite3_close};
}

TEST_F(OutputTest, AReaderIsNeverInTheWay) {
  const std::string db = file("a.db");
  std::shared_ptr<sqlite3> reader;
  {
    Results results(db, {});
    results.metric("step_time", 0.5, "s");
    reader = idle_reader(db);
    finish(results);
  }
  EXPECT_EQ(value(db, "SELECT state FROM run"), "complete");
  EXPECT_EQ(value(db, "SELECT value FROM metric"), "0.5");
  reader.reset();
  EXPECT_EQ(value(db, "SELECT value FROM metric"), "0.5");
}

TEST_F(OutputTest, WithoutReadersOneFileHoldsEverything) {
  const std::string db = file("a.db");
  {
    Results results(db, {});
    results.metric("step_time", 0.5, "s");
    finish(results);
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), {}), 1);
  fs::permissions(folder_.path(), fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_EQ(value(db, "SELECT value FROM metric"), "0.5");
  fs::permissions(folder_.path(), fs::perms::owner_all);
}

TEST_F(OutputTest, ARunThatFailsKeepsWhatWasCommitted) {
  {
    Results results(file("a.db"), {});
    results.add(Table::expert_load, {3, "decode", 17, 42.0});
    (void)results.database();
  }
  EXPECT_EQ(value(file("a.db"), "SELECT state FROM run"), "failed");
  testing::internal::CaptureStderr();
  check_results(Database::open(file("a.db")));
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            file("a.db") + ": its run did not come to its end (state \"failed\"), so rows are missing\n");
  EXPECT_EQ(value(file("a.db"), "SELECT expert FROM expert_load"), "17");
}

TEST_F(OutputTest, ARunThatIsRefusedLeavesNothing) {
  {
    Results results(file("a.db"), {});
    results.add(Table::expert_load, {3, "decode", 17, 42.0});
  }
  EXPECT_TRUE(folder_.empty());
}

TEST_F(OutputTest, WhatARunLeftUnfinishedIsMovedAside) {
  for (const char* expected : {"a.unfinished.db", "a.unfinished-2.db"}) {
    {
      Results results(file("a.db"), {expected, "passes", "a.yaml", "", ""});
      results.add(Table::expert_load, {3, "decode", 17, 42.0});
      (void)results.database();
    }
    testing::internal::CaptureStderr();
    make_way(file("a.db"));
    EXPECT_EQ(testing::internal::GetCapturedStderr(),
              file("a.db") + " was left by a run that did not end; it is now " + file(expected) + "\n");
    EXPECT_EQ(value(file(expected), "SELECT title FROM run"), expected);
  }
  Results next(file("a.db"), {});
  finish(next);
}

/// What a program that is ended while it moves a database aside can leave: some parts with two names, some with the
/// new.
TEST_F(OutputTest, MovingAsideCanBeCutShortAnywhere) {
  const std::vector<std::string> parts = {"-wal", "-shm", ""};  // in the order they get their new names
  for (int cut = 1; cut <= 6; ++cut) {
    const TemporaryFolder folder;
    const std::string db = folder.file("a.db"), to = folder.file("a.unfinished.db");
    std::shared_ptr<sqlite3> reader;
    {
      Results results(db, {});
      reader = idle_reader(db);
      ASSERT_EQ(sqlite3_exec(reader.get(), "BEGIN; SELECT count(*) FROM run", nullptr, nullptr, nullptr), SQLITE_OK);
      results.add(Table::expert_load, {3, "decode", 17, 42.0});
      (void)results.database();
    }
    ASSERT_TRUE(fs::exists(db + "-wal") && fs::exists(db + "-shm")) << "the reader did not keep the row in the log";
    for (int step = 0; step < std::min(cut, 3); ++step)
      fs::create_hard_link(db + parts[std::size_t(step)], to + parts[std::size_t(step)]);
    for (int step = 3; step < cut; ++step) fs::remove(db + (step == 3 ? "" : parts[std::size_t(step - 4)]));
    testing::internal::CaptureStderr();
    make_way(db);
    const std::string said = testing::internal::GetCapturedStderr();
    const std::string moved = db + " was left by a run that did not end; it is now " + to + "\n";
    EXPECT_TRUE(cut > 3 ? said.empty() : said.ends_with(moved)) << cut << ": " << said;
    EXPECT_EQ(value(to, "SELECT expert FROM expert_load"), "17") << cut;
    for (const auto& entry : fs::directory_iterator(folder.path()))
      EXPECT_TRUE(entry.path().filename().string().starts_with("a.unfinished.db")) << cut << ": " << entry.path();
    Results next(db, {});
    finish(next);
  }
}

TEST_F(OutputTest, TheLogOfARemovedDatabaseIsNotPlayedIntoTheNext) {
  for (const char* log : {"a.db-wal", "a.db-journal"}) std::ofstream(file(log)) << "rows of another";
  testing::internal::CaptureStderr();
  {
    Results results(file("a.db"), {});
    finish(results);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), file("a.db-wal") + " was left without its database; it is now " +
                                                        file("a.unfinished.db-wal") + "\n" + file("a.db-journal") +
                                                        " was left without its database; it is now " +
                                                        file("a.unfinished-2.db-journal") + "\n");
  EXPECT_EQ(value(file("a.db"), "SELECT state FROM run"), "complete");
  EXPECT_EQ(fs::file_size(file("a.unfinished.db-wal")), 15u);
}

TEST_F(OutputTest, AFormatOfAnotherTimeIsTheFilesFault) {
  {
    Results results(file("a.db"), {});
    finish(results);
  }
  std::string bytes = read_file(file("a.db"));
  bytes[47] = 9;  // the schema's format, 1 to 4: https://www.sqlite.org/fileformat.html
  std::ofstream(file("a.db")) << bytes;
  EXPECT_EQ(test::refusal_of([&] { (void)Database::open(file("a.db")); }), file("a.db") + ": unsupported file format");
  bytes[71] = 'u';  // as if it had not been finished
  std::ofstream(file("a.db")) << bytes;
  EXPECT_EQ(test::refusal_of([&] { make_way(file("a.db")); }),
            file("a.db") + ": already exists; choose another name with -o, or overwrite it with --force");
}

TEST_F(OutputTest, TablesThatComputeTheirRowsAreNotRead) {
  constexpr const char* kEndless =
      " AS WITH RECURSIVE n(run) AS (SELECT 1 UNION ALL SELECT run + 1 FROM n) SELECT run FROM n;";
  std::ofstream(file("views.db"));
  Database views = Database::open_existing(file("views.db"));
  views.exec(std::string("CREATE VIEW run") + kEndless + "CREATE VIEW metric" + kEndless);
  EXPECT_EQ(test::refusal_of([&] { check_results(views); }),
            file("views.db") + ": is not a results database (it has no tables run and metric)");
  std::ofstream(file("columns.db"));
  Database columns = Database::open_existing(file("columns.db"));
  columns.exec(
      "CREATE TABLE run (run, state AS (hex(zeroblob(400000000)))); CREATE TABLE metric (run);"
      "PRAGMA user_version = 3; INSERT INTO run VALUES (1)");
  EXPECT_EQ(test::refusal_of([&] { check_results(columns); }),
            file("columns.db") + ": its tables are not those of a results database (moesim list schema)");
  columns.exec("PRAGMA application_id = " + std::to_string(kUnfinished));
  EXPECT_EQ(test::refusal_of([&] { make_way(file("columns.db")); }),
            file("columns.db") + ": already exists; choose another name with -o, or overwrite it with --force");
}

TEST_F(OutputTest, WhatIsWholeOrNotOursStays) {
  {
    Results results(file("a.db"), {});
    finish(results);
  }
  std::ofstream(file("b.db"));
  Database::open_existing(file("b.db")).exec("CREATE TABLE precious (x)");
  for (const char* name : {"a.db", "b.db"})
    EXPECT_EQ(test::refusal_of([&] { make_way(file(name)); }),
              file(name) + ": already exists; choose another name with -o, or overwrite it with --force");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), {}), 2);
}

TEST_F(OutputTest, ALinkIsNotFollowed) {
  std::ofstream(file("precious")) << "mine";
  fs::create_symlink(file("precious"), file("a.db"));
  EXPECT_EQ(test::refusal_of([&] { Results(file("a.db"), {}); }),
            file("a.db") + ": already exists; choose another name with -o, or overwrite it with --force");
  EXPECT_EQ(fs::file_size(file("precious")), 4u);
}

TEST_F(OutputTest, TheSecondWriterIsToldWhoHoldsIt) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const std::string db = file("a.db");
  const pid_t other = fork();
  if (other == 0) {
    Results results(db, {});
    (void)!write(ready[1], "x", 1);
    pause();
    _exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  const std::string refusal = test::refusal_of([&] { make_way(db); });
  EXPECT_EQ(refusal.find(db + ": is being written by process " + std::to_string(other) + " ("), 0u) << refusal;
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
  testing::internal::CaptureStderr();
  make_way(db);
  (void)testing::internal::GetCapturedStderr();
  EXPECT_EQ(value(file("a.unfinished.db"), "SELECT state FROM run"), "failed");
}

TEST_F(OutputTest, RowsAreCommittedWhetherMoreComeOrNot) {
  Results results(file("a.db"), {});
  results.metric("step_time", 0.5, "s");
  std::string seen = "0";
  for (int tenth = 0; tenth < 300 && seen == "0"; ++tenth, usleep(100'000))
    seen = value(file("a.db"), "SELECT count(*) FROM metric");
  EXPECT_EQ(seen, "1");
  finish(results);
}
}  // namespace
}  // namespace moesim::results
