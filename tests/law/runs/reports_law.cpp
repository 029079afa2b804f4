// The queries of reports/*.sql give every run of a database of many what they give it alone.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/files.h"
#include "core/paths.h"
#include "results/schema.h"
#include "results/sql.h"
#include "runs/scenario.h"
#include "support/sql.h"
#include "support/temporary_folder.h"

namespace moesim::runs {
namespace {
using Rows = std::vector<std::vector<std::string>>;

std::vector<std::string> queries(const std::string& report) {
  return results::titled_queries(read_file(catalogue_file("reports", report + ".sql", "report")));
}

/// (rows, columns) of the run, without the first column.
Rows rows_of_run(const results::Database& db, const std::string& query, const std::string& run) {
  results::Statement s = db.prepare(query);
  EXPECT_EQ(s.column_name(0), "run") << query;
  Rows out;
  while (s.step()) {
    if (s.text(0) != run) continue;
    out.emplace_back();
    for (int c = 1; c < s.columns(); ++c) out.back().push_back(s.text(c));
  }
  return out;
}

/// Every row again under two more numbers of runs; the last one's figures are twice as large.
void repeat_runs(const std::string& file) {
  for (const results::TableDefinition& t : results::tables()) {
    if (t.columns.front().name != "run") continue;
    for (const int run : {2, 3}) {
      std::string columns;
      for (const results::Column& c : t.columns) {
        const bool scaled = run == 3 && c.name == "value";
        columns += c.name == "run" ? fmt::to_string(run) : fmt::format(", \"{}\"{}", c.name, scaled ? " * 2" : "");
      }
      test::change_database(
          file, fmt::format("INSERT INTO {0} SELECT {1} FROM {0} WHERE run = 1 ORDER BY rowid", t.name, columns));
    }
  }
}

struct Study {
  const char* scenario;
  std::vector<std::string> set;
  std::vector<const char*> reports;
  int least;  // queries that have rows
};
class Reports : public testing::TestWithParam<Study> {};

TEST_P(Reports, GiveEachRunOfManyWhatTheyGiveItAlone) {
  const Study& study = GetParam();
  TemporaryFolder folder;
  std::vector<Config::Override> overrides;
  for (const std::string& text : study.set)
    overrides.push_back({text.substr(0, text.find('=')), text.substr(text.find('=') + 1)});
  {
    const Scenario scenario = load_scenario(study.scenario, overrides);
    results::Results results(folder.file("one.db"), scenario.identity);
    results::SpanLog spans;
    simulate(scenario, results, spans);
  }
  std::filesystem::copy_file(folder.file("one.db"), folder.file("many.db"));
  repeat_runs(folder.file("many.db"));
  const results::Database one = results::Database::open(folder.file("one.db")),
                          many = results::Database::open(folder.file("many.db"));
  int with_rows = 0;
  for (const char* report : study.reports)
    for (const std::string& query : queries(report)) {
      const Rows alone = rows_of_run(one, query, "1");
      with_rows += !alone.empty();
      EXPECT_EQ(rows_of_run(many, query, "1"), alone) << query;
      EXPECT_EQ(rows_of_run(many, query, "2"), alone) << query;
      EXPECT_EQ(rows_of_run(many, query, "3").size(), alone.size()) << query;
    }
  EXPECT_GE(with_rows, study.least);
}

INSTANTIATE_TEST_SUITE_P(
    EachStudy, Reports,
    testing::Values(
        Study{"train-deepseek-v3",
              {"model=deepseek-v2-lite", "cluster=h800-32", "training.batch=64", "training.sequence=1024",
               "training.parallel={pipeline: 4, expert: 8, zero: 1}",
               "published=[{metric: step_time, value: 2, source: me}]"},
              {"training", "links", "kernels", "published"},
              8},
        Study{"serve-deepseek-v2",
              {"model=deepseek-v2-lite", "cluster=h800-32", "serving.duration=2 s", "serving.warmup=0.5 s",
               "serving.pools=[{role: prefill, parallel: {data: 8}}, {role: decode, parallel: {data: 8}}]"},
              {"serving", "links", "kernels"},
              8},
        Study{"place-deepseek-v3", {"place.slots=[288]", "place.drift=[0]"}, {"place", "links", "kernels"}, 1},
        Study{"quickstart", {"routing=balanced"}, {"passes", "links", "kernels"}, 5}),
    [](const auto& each) { return std::string(each.param.reports.front()); });
}  // namespace
}  // namespace moesim::runs
