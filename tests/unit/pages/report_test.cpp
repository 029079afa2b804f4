#include "pages/report.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "core/config.h"
#include "pages/assets.h"
#include "pages/queries.h"
#include "pages/sha256.h"
#include "results/results.h"
#include "support/refusal.h"
#include "unit/pages/training_results.h"

namespace moesim::pages {
namespace {
class ReportTest : public test::TrainingResults {};

TEST_F(ReportTest, EscapesWhatFilesSay) {
  const std::string page = report_page(training("a.db"));
  const std::string body = page.substr(page.find("<body>"), page.rfind("<script>") - page.find("<body>"));
  for (const char* tag : {"<script", "<b>&lt;", "<i>", "<u>", "<s>", "</title>"})
    EXPECT_EQ(body.find(tag), std::string::npos) << tag;
  EXPECT_NE(page.find("<title>&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;x&quot;</title>"),
            std::string::npos);
}

TEST_F(ReportTest, AllowsItsOwnStyleAndScriptByTheirHashesAlone) {
  const std::string page = report_page(training("a.db"));
  const auto between = [&](std::string_view open, std::string_view close) {
    const std::size_t from = page.find(open) + open.size();
    return page.substr(from, page.find(close, from) - from);
  };
  EXPECT_NE(page.find("default-src 'none'; style-src " + policy_hash(between("<style>", "</style>")) + ";"),
            std::string::npos);
  EXPECT_NE(page.find("script-src " +
                      policy_hash(page.substr(page.rfind("<script>") + 8,
                                              page.rfind("</script>") - page.rfind("<script>") - 8)) +
                      ";"),
            std::string::npos);
  for (const char* word : {" style=", "http:", "url(", "@import"})
    EXPECT_EQ(page.find(word), std::string::npos) << word;
  const std::size_t site = page.find("https:");
  EXPECT_EQ(page.substr(site, 24), "https://ui.perfetto.dev'");
  EXPECT_EQ(page.find("https:", site + 1), std::string::npos) << "one site, opened on a click";
}

TEST_F(ReportTest, GivesTheSameBytesEachTime) {
  const std::string database = training("a.db");
  EXPECT_EQ(report_page(database), report_page(database));
}

TEST_F(ReportTest, SaysTheAnswerInItsHeadings) {
  const std::string page = report_page(training("a.db"));
  EXPECT_NE(page.find("62 % of the step computes; bubbles take 25 %"), std::string::npos);  // (4 - 1 - 0.5) / 4
  EXPECT_NE(page.find("Bubbles take 25 % of the step of stage 0, and 50 % of that of stage 1"), std::string::npos);
  EXPECT_NE(page.find("data-value=\"1000000000\" data-metric=\"peak_memory\""), std::string::npos) << "key figures";
}

TEST_F(ReportTest, SaysAtItsTopThatARunDidNotEnd) {
  EXPECT_EQ(report_page(training("a.db")).find("class=\"alarm\""), std::string::npos);
  const std::string page = report_page(training("b.db", "interrupted"));
  EXPECT_LT(page.find("class=\"alarm\""), page.find("<h1>"));
}

TEST_F(ReportTest, SaysHowToGetWhatTheDatabaseLacks) {
  const std::string database = training("a.db");
  results::Database db = results::Database::open_existing(database);
  db.exec("DROP TABLE instruction");
  db.close();
  EXPECT_NE(report_page(database).find("--timeline t"), std::string::npos);
}

TEST_F(ReportTest, ShowsMemoryOverTheStep) {
  const std::string database = training("a.db");
  results::Database db = results::Database::open_existing(database);
  db.exec(
      "INSERT INTO series VALUES (1, 'memory_in_use', 'stage:0', 1, 1e9, 'B'), (1, 'memory_in_use', 'stage:0', 3, "
      "1.5e9, 'B'), (1, 'memory_in_use', 'stage:1', 4, 1.2e9, 'B')");
  db.close();
  const std::string page = report_page(database);
  EXPECT_NE(page.find("that of stage 0 is fullest, with <span class=\"sim\">1.50 GB</span> after 75 % of the step"),
            std::string::npos);
}

TEST_F(ReportTest, ShowsWhatInterruptsARun) {
  const std::string database = training("a.db");
  results::Database db = results::Database::open_existing(database);
  db.exec(
      "INSERT INTO metric VALUES (1, 'run_days', 2, 'days', 'run'), (1, 'run_tokens', 1e12, 'tokens', 'run'), "
      "(1, 'run_goodput', 0.9, '', 'run'); INSERT INTO incident VALUES (1, 3600, 'gpu', 1e10, 600, 0, 900), "
      "(1, 7200, 'node', 2e10, 60, 7200, 900)");
  db.close();
  EXPECT_NE(report_page(database).find("<span class=\"sim\">2</span> interruptions; the worst costs <span "
                                       "class=\"bad\">2.27 h"),
            std::string::npos);
}

TEST_F(ReportTest, AnswersATrainingPlan) {
  results::Results r(file("plan.db"), {test::kHostileTitle, "size", "plan.yaml", "", "", 1});
  using V = results::Results::Value;
  const auto mapping = [&](int i, const char* words, int gpus, const char* fate, const char* reason, V step, V days,
                           V cost, bool whole = false) {
    const bool run = !std::holds_alternative<std::monostate>(step);
    r.add(results::Table::mapping, {i,
                                    "hgx",
                                    gpus / 8,
                                    gpus,
                                    words,
                                    1,
                                    1,
                                    4,
                                    8,
                                    1,
                                    2,
                                    1,
                                    1,
                                    "1f1b",
                                    "none",
                                    fate,
                                    reason,
                                    1.0,
                                    step,
                                    run ? V(0.4) : results::Results::null(),
                                    run ? V(0.5) : results::Results::null(),
                                    run ? V(0.25) : results::Results::null(),
                                    run ? V(std::int64_t{1} << 30) : results::Results::null(),
                                    days,
                                    cost,
                                    whole ? V(12.5) : results::Results::null(),
                                    whole ? V(2.5e4) : results::Results::null(),
                                    whole ? V(2) : results::Results::null(),
                                    whole ? V(13.0) : results::Results::null(),
                                    whole ? V(2.6e4) : results::Results::null(),
                                    whole ? V(0.95) : results::Results::null()});
  };
  mapping(0, "PP4 <b>", 64, "chosen", "days 12.5 of 20", 5.0, 10.0, 2e4, true);
  mapping(1, "PP8", 128, "meets", "", 3.0, 6.0, 3e4);
  mapping(2, "PP2", 64, "illegal", "memory: 3 GB too much", results::Results::null(), results::Results::null(),
          results::Results::null());
  r.finish({}, "size.targets.days: 20\n");
  const std::string page = report_page(file("plan.db"));
  EXPECT_NE(page.find("64 GPUs of hgx and 2 nodes in waiting train it in <span class=\"sim\">12.5 days</span> for "
                      "25,000 USD: PP4 &lt;b&gt;"),
            std::string::npos);
  EXPECT_NE(page.find("2 of 2 simulated mappings meet the targets, and <span class=\"sim\">2</span> of these are"),
            std::string::npos);
  EXPECT_NE(page.find("Most fell for this: <span class=\"sim\">memory</span>, 1 mappings"), std::string::npos);
  EXPECT_NE(page.find("target 20 days"), std::string::npos);
}

TEST_F(ReportTest, ShowsPublishedFiguresBesideSimulatedOnes) {
  results::Results r(file("v.db"), {test::kHostileTitle, "validate", "", "", "", 1});
  for (const auto& [name, simulated] : {std::pair("a", 105.0), {"b", 80.0}, {"c", 101.0}})
    r.add(results::Table::validation, {name, "t", "step_time", "run", "s", 100.0, simulated, "Somebody, page 3", 0.02,
                                       0.06, results::Results::null()});
  r.finish({}, "");
  const std::string page = report_page(file("v.db"));
  EXPECT_NE(page.find("Of 3 published figures half are met within <span class=\"sim\">5.0 %</span>"),
            std::string::npos);
  EXPECT_NE(page.find("2</span> of all 3 figures are within what nine of ten of their single kernels are within"),
            std::string::npos);
  EXPECT_NE(page.find("data-value=\"0.2\""), std::string::npos) << "the worst";
  EXPECT_NE(page.find("How far off it may be"), std::string::npos);
}

TEST_F(ReportTest, HasTheMeanOfTheMiddleTwoAsMedian) {
  results::Results r(file("v.db"), {test::kHostileTitle, "validate", "", "", "", 1});
  for (const auto& [name, simulated] : {std::pair("a", 108.0), {"b", 96.0}})
    r.add(results::Table::validation, {name, "t", "step_time", "run", "s", 100.0, simulated, "Somebody, page 3",
                                       results::Results::null(), results::Results::null(), results::Results::null()});
  r.finish({}, "");
  const std::string page = report_page(file("v.db"));
  EXPECT_NE(page.find("half are met within <span class=\"sim\">6.0 %</span>"), std::string::npos);
  EXPECT_NE(page.find("Somebody</span>, by 6.0 % in the middle"), std::string::npos);
}

TEST_F(ReportTest, SaysHowFarOffBorrowedKernelsWere) {
  const std::string database = training("a.db");
  EXPECT_EQ(report_page(database).find("How far off it may be"), std::string::npos);
  results::Database db = results::Database::open_existing(database);
  db.exec(
      "INSERT INTO metric VALUES (1, 'kernel_error_borrowed_median', 0.24, '', 'run'), (1, "
      "'kernel_error_borrowed_p90', 0.509, '', 'run'), (1, 'kernel_time_borrowed_share', 1, '', 'run')");
  EXPECT_NE(report_page(database).find("half and nine of ten of the single kernels were within 24 % and 51 %"),
            std::string::npos);
  db.exec(
      "UPDATE metric SET value = 0.1 WHERE name = 'kernel_time_borrowed_share'; INSERT INTO metric VALUES (1, "
      "'kernel_error_median', 0.09, '', 'run'), (1, 'kernel_error_p90', 0.27, '', 'run')");
  db.close();
  const std::string part = report_page(database);
  EXPECT_EQ(part.find("no kernels were measured"), std::string::npos);
  EXPECT_NE(part.find("within 9.0 % and 27 % of the equations. Of kernel time 10 % rests on"), std::string::npos);
}

TEST_F(ReportTest, RefusesWhatNoPageIsMadeOfInOneLine) {
  const auto changed = [&](const char* name, const char* sql) {
    const std::string database = training(name);
    results::Database db = results::Database::open_existing(database);
    db.exec(sql);
    db.close();
    return database;
  };
  const std::string old = changed("old.db", "PRAGMA user_version = 2"), none = changed("none.db", "DELETE FROM run"),
                    empty = changed("empty.db", "DELETE FROM metric"),
                    study = changed("study.db", "UPDATE run SET study = 'x'"),
                    lacks = changed("lacks.db", "DROP TABLE assumption"),
                    trace = changed("trace.db", "CREATE TABLE trace_experts(id)"),
                    sweep =
                        changed("sweep.db", "DELETE FROM run; INSERT INTO sweep VALUES ('', 1, 1, 1, 'interrupted')"),
                    failed = changed("failed.db",
                                     "DELETE FROM run; INSERT INTO sweep VALUES ('', 1, 1, 1, 'complete'); INSERT INTO "
                                     "sweep_point (point, key, value, problem) VALUES (1, 'x', '1', 'why')");
  EXPECT_EQ(test::refusal_of([&] { (void)report_page(old); }),
            old + ": is a results database of schema version 2, this program reads version 3; run it again");
  EXPECT_EQ(test::refusal_of([&] { (void)report_page(none); }), none + ": holds no run");
  EXPECT_EQ(test::refusal_of([&] { (void)report_page(sweep); }),
            sweep + ": was interrupted before any of its points was done; moesim sweep --resume goes on");
  EXPECT_EQ(test::refusal_of([&] { (void)report_page(failed); }),
            failed + ": none of its points could run; table sweep_point says why");
  EXPECT_EQ(test::refusal_of([&] { (void)report_page(empty); }),
            empty + ": holds no figures: its run ended before there were any");
  EXPECT_EQ(test::refusal_of([&] { (void)report_page(study); }),
            study + ": is of a study \"x\", of which there is no page");
  EXPECT_EQ(test::refusal_of([&] { (void)report_page(lacks); }),
            lacks + ": has no table assumption (moesim list schema)");
  EXPECT_EQ(test::refusal_of([&] { (void)report_page(trace); }).find(trace), 0u) << "a trace that is none";
}

TEST_F(ReportTest, TakesNoScriptFromTheWorkingFolder) {
  const auto before = std::filesystem::current_path();
  std::filesystem::create_directories(file("page"));
  std::ofstream(file("page") + "/page.js") << "stolen";
  std::filesystem::current_path(std::filesystem::path(file("page")).parent_path());
  EXPECT_EQ(asset("page.js").find("stolen"), std::string::npos);
  std::filesystem::current_path(before);
}

TEST(Queries, AreNamedBoundAndQuoted) {
  results::Database db = results::Database::in_memory();
  db.exec("CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 'x'), (2, NULL), (9e999, 'y')");
  const Queries q(
      db, "-- all: everything\nSELECT a, b FROM t ORDER BY b;\n-- one: of a name\nSELECT a FROM t WHERE b = ?1;\n");
  const Rows all = q.rows("all");
  EXPECT_EQ(all.size(), 3u);
  EXPECT_EQ(all.text(0, 1), "");
  EXPECT_TRUE(std::isnan(all.number(2, 0))) << "infinity is no number";
  EXPECT_EQ(q.rows("one", {"x"}).number(0, 0), 1);
  EXPECT_EQ(q.sql("one"), "-- one: of a name\nSELECT a FROM t WHERE b = ?1;");
  EXPECT_EQ(q.sql("one", {"it's"}), "-- one: of a name\nSELECT a FROM t WHERE b = 'it''s';");
}
}  // namespace
}  // namespace moesim::pages
