// Searches of a plan whose databases are cut short, gone on with and compared.
#pragma once
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "results/output.h"
#include "sizing/size.h"
#include "support/sql.h"
#include "support/temporary_folder.h"

namespace moesim::sizing {
class CutShort : public testing::Test {
 protected:
  /// plan: name of its file.  answers: tables of what is found; trials: that of simulations.
  CutShort(std::string plan, std::vector<std::string> answers, std::string trials)
      : plan_(std::move(plan)), answers_(std::move(answers)), trials_(std::move(trials)) {}

  std::string file(const std::string& name) const { return folder_.file(name); }
  SizeOptions options(const std::string& output) const {
    SizeOptions out;
    out.plan = file(plan_);
    out.output = file(output);
    out.jobs = 2;
    return out;
  }
  /// What it prints, but for the name of its output.
  std::string answer(SizeOptions options) const {
    options.json = true;
    testing::internal::CaptureStdout();
    EXPECT_EQ(size(options), 0);
    return testing::internal::GetCapturedStdout();
  }
  std::string contents(const std::string& db) const {
    std::string out = rows_of(db, trials_);
    for (const std::string& table : answers_) out += rows_of(db, table);
    return out;
  }
  static std::string rows_of(const std::string& db, const std::string& table) {
    std::string out;
    const results::Database database = results::Database::open(db);
    results::Statement s = database.prepare("SELECT * FROM " + table + " ORDER BY rowid");
    while (s.step())
      for (int c = 0; c < s.columns(); ++c) out += s.text(c) + "|";
    return out;
  }
  int trials(const std::string& db) const {
    return std::stoi(*results::Database::open(db).value("SELECT count(*) FROM " + trials_));
  }
  /// As the program leaves it that is killed, with the simulations that `keep` picks.
  void cut(const std::string& db, const std::string& keep) const {
    for (const std::string& table : answers_) test::change_database(db, "DELETE FROM " + table);
    test::change_database(db, fmt::format("DELETE FROM {} WHERE NOT ({})", trials_, keep));
    test::change_database(db, "UPDATE run SET state = 'running'");
    test::change_database(db, fmt::format("PRAGMA application_id = {}", results::kUnfinished));
  }
  TemporaryFolder folder_;

 private:
  std::string plan_;
  std::vector<std::string> answers_;
  std::string trials_;
};
}  // namespace moesim::sizing
