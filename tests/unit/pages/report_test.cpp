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
#include "support/temporary_folder.h"

namespace moesim::pages {
namespace {
const std::string kTitle = "</title><script>alert(1)</script> & \"x\"";

class ReportTest : public testing::Test {
 protected:
  std::string file(const char* name) const { return folder_.file(name); }
  /// A step of 2 stages, as small as a page can be of.
  std::string training(const char* name, const std::string& state = "complete") const {
    results::Results r(file(name), {kTitle, "training", "a.yaml", "model: <b>", "", 7});
    for (const auto& [figure, value] : {std::pair("step_time", 4.0),
                                        {"bubble_time", 1.0},
                                        {"exposed_communication_time", 0.5},
                                        {"forward_time", 2.5}})
      r.metric(figure, value, "s");
    r.metric("peak_memory", 1e9, "B");
    for (const int stage : {0, 1}) {
      r.add(results::Table::stage, {stage, "forward", 2.5});
      r.add(results::Table::stage, {stage, "bubble", 1.0 + stage});
      r.add(results::Table::instruction, {stage, "forward", 0, 5, 1.0 * stage, 1.0 * stage + 2.5});
      r.add(results::Table::memory, {fmt::format("stage:{}", stage), "weights <i>", std::int64_t{1} << 30});
    }
    r.add(results::Table::assumption, {"run", "precision", "<u>fp8</u>", "as asked"});
    r.finish({state, 1, 2, 4_s, 0.1}, "cluster.node.gpu.title: <s>GPU\ncluster.node.gpu.memory: 2 GiB\n");
    return file(name);
  }
  TemporaryFolder folder_;
};

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
  for (const char* word : {" style=", "http:", "https:", "url(", "@import"})
    EXPECT_EQ(page.find(word), std::string::npos) << word;
}

TEST_F(ReportTest, GivesTheSameBytesEachTime) {
  const std::string database = training("a.db");
  EXPECT_EQ(report_page(database), report_page(database));
}

TEST_F(ReportTest, SaysTheAnswerInItsHeadings) {
  const std::string page = report_page(training("a.db"));
  EXPECT_NE(page.find("62 % of the step computes; bubbles take 25 %"), std::string::npos);  // (4 - 1 - 0.5) / 4
  EXPECT_NE(page.find("Stage 0 waits 25 % of the step, stage 1 50 %"), std::string::npos);
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
  EXPECT_NE(report_page(database).find("--timeline t.json"), std::string::npos);
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
                    trace = changed("trace.db", "CREATE TABLE trace_experts(id)");
  EXPECT_EQ(test::refusal_of([&] { (void)report_page(old); }),
            old + ": is a results database of schema version 2, this program reads version 3; run it again");
  EXPECT_EQ(test::refusal_of([&] { (void)report_page(none); }), none + ": holds no run");
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
}
}  // namespace
}  // namespace moesim::pages
