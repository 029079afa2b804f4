#include "results/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "results/results.h"
#include "support/places.h"

namespace moesim::results {
namespace {
namespace fs = std::filesystem;

std::string read(const fs::path& file) {
  std::ifstream in(file);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

TEST(Metrics, EachIsDefinedOnceWithAUnitScopesAndAMeaning) {
  std::set<std::string> names;
  for (const MetricSection& section : metric_sections())
    for (const MetricDefinition& m : section.metrics) {
      EXPECT_FALSE(m.meaning.empty()) << m.name;
      EXPECT_EQ(m.meaning.find_first_of("|\n"), m.meaning.npos) << m.name;
      EXPECT_FALSE(m.scopes.empty()) << m.name;
      EXPECT_NE(find_unit(m.unit), nullptr) << m.name << " is in \"" << m.unit << "\"";
      EXPECT_EQ(m.name.find('*') != m.name.npos, !m.variants.empty()) << m.name;
      for (const std::string& name : full_names(m)) {
        EXPECT_TRUE(names.insert(name).second) << name << " is defined twice";
        EXPECT_EQ(find_metric(name), &m) << name;
      }
    }
  EXPECT_GT(names.size(), 150u);
}

TEST(Metrics, AFamilyIsFoundByItsFullNamesOnly) {
  ASSERT_NE(find_metric("ttft_p90"), nullptr);
  EXPECT_EQ(find_metric("ttft_p90"), find_metric("ttft_mean"));
  ASSERT_NE(find_metric("decode_experts_time"), nullptr);
  EXPECT_EQ(find_metric("ttft_*"), nullptr);
  EXPECT_EQ(find_metric("ttft"), nullptr);
  EXPECT_EQ(find_metric("ttft_p42"), nullptr);
}

TEST(Metrics, StudiesThatWriteThemAreTold) {
  for (const MetricSection& section : metric_sections())
    for (const MetricDefinition& m : section.metrics) {
      EXPECT_EQ(studies_of(m).empty(), !is_written_for(m, "run", false)) << m.name;
      EXPECT_TRUE(m.studies.empty() || is_written_for(m, "run", false)) << m.name << " is of no whole run";
    }
  EXPECT_TRUE(is_written_by(*find_metric("step_time"), "training"));
  EXPECT_FALSE(is_written_by(*find_metric("step_time"), "serving"));
  EXPECT_TRUE(is_written_by(*find_metric("step_time_p90"), "serving"));
  EXPECT_FALSE(is_written_by(*find_metric("rebalances"), "serving"));  // of its pools alone
  EXPECT_FALSE(is_written_by(*find_metric("layer_time"), "passes"));   // of a phase alone
  check_written_by("cost_per_hour", "serving");
  EXPECT_THROW(check_written_by("cost_per_million_tokens", "training"), std::logic_error);
}

std::string refusal(std::string_view name, std::string_view unit, std::string_view scope, bool series = false) {
  Results results(":memory:", {});
  try {
    if (series)
      results.reading(name, 1_s, 1, unit, scope);
    else
      results.metric(name, 1, unit, scope);
  } catch (const std::logic_error& e) {
    return e.what();
  }
  return "accepted";
}

TEST(Metrics, OnlyDefinedOnesAreWritten) {
  EXPECT_EQ(refusal("step_time", "s", "run"), "accepted");
  EXPECT_EQ(refusal("balancedness", "", "pool:a,b:c,layer:3"), "accepted");
  EXPECT_EQ(refusal("utilisation", "", "pool:both", true), "accepted");
  EXPECT_EQ(refusal("speed", "s", "run"), "metric speed in \"s\" is not in the table of definitions");
  EXPECT_EQ(refusal("step_time", "ms", "run"), "metric step_time is defined in \"s\", and was written in \"ms\"");
  EXPECT_EQ(refusal("fold", "", "gpu:3"), "metric fold in \"\" is defined for run, and was written for gpu:3");
  EXPECT_EQ(refusal("running", "", "pool:both"),
            "metric running in \"\" is defined for pool/time, and was written for pool:both");
  EXPECT_EQ(refusal("step_time", "s", "run", true),
            "metric step_time in \"s\" is defined for run phase, and was written over time for run");
}

TEST(Metrics, DocumentationIsTheOneThatIsGenerated) {
  EXPECT_EQ(read(fs::path(test::source_dir()) / "reports/metrics.md"), metrics_markdown())
      << "run: moesim list metrics > reports/metrics.md";
}

/// Whether a name in the source is of this metric: whole, with {} for what is filled in, or the end of a name that a
/// lambda puts a prefix to.
bool is_of(const std::string& literal, const MetricDefinition& m) {
  const std::size_t hole = literal.find("{}");
  const std::string before = literal.substr(0, hole),
                    after = hole == literal.npos ? "" : literal.substr(literal.rfind("{}") + 2);
  return std::ranges::any_of(full_names(m), [&](const std::string& name) {
    return name == literal || name.ends_with("_" + literal) ||
           (hole != literal.npos && name.starts_with(before) && name.ends_with(after));
  });
}
bool defined(const std::string& literal) {
  return std::ranges::any_of(metric_sections(), [&](const MetricSection& section) {
    return std::ranges::any_of(section.metrics, [&](const MetricDefinition& m) { return is_of(literal, m); });
  });
}

/// The text in quotes that follows `call` (and a format function, and blanks) wherever it stands in `text`.
std::vector<std::string> literals_after(const std::string& text, const std::string& call) {
  std::vector<std::string> out;
  for (std::size_t at = text.find(call); at != text.npos; at = text.find(call, at + 1)) {
    std::size_t from = text.find_first_not_of(" \n", at + call.size());
    if (from == text.npos) break;
    if (text.compare(from, 12, "fmt::format(") == 0) from += 12;
    if (text[from] == '"') out.push_back(text.substr(from + 1, text.find('"', from + 1) - from - 1));
  }
  return out;
}

/// Names of metrics that the source at `path`, a folder or a file, writes.
std::vector<std::string> written_in(const fs::path& path) {
  std::vector<std::string> out;
  const auto take = [&](const fs::path& file) {
    if (file.extension() != ".cpp") return;
    const std::string text = read(file);
    for (const char* call : {"metric(", " gauge("})
      for (std::string& name : literals_after(text, call)) out.push_back(std::move(name));
    for (const std::string& name : literals_after(text, "write_quantiles(results,"))
      for (const char* end : {"_mean", "_p99"}) out.push_back(name + end);
  };
  if (!fs::is_directory(path)) take(path);
  if (fs::is_directory(path))
    for (const auto& entry : fs::recursive_directory_iterator(path)) take(entry.path());
  return out;
}

TEST(Metrics, EveryNameInTheSourceIsDefined) {
  const std::vector<std::string> names = written_in(fs::path(test::source_dir()) / "sim");
  for (const std::string& name : names) EXPECT_TRUE(defined(name)) << name;
  EXPECT_GT(names.size(), 150u);
}

/// What a run writes is held against the table as it ends; here, that nothing is promised which no source writes.
TEST(Metrics, WhatIsPromisedOfAStudyStandsInItsRoom) {
  const fs::path sim = fs::path(test::source_dir()) / "sim";
  for (const auto& [study, room] :
       {std::pair("place", "placing"), {"passes", "passes"}, {"training", "training"}, {"serving", "serving"}}) {
    std::vector<std::string> written = written_in(sim / room);
    for (const char* shared :
         {"compute/kernels/provenance.cpp", "sizing/pretraining"})  // an answer has more of its run
      for (std::string& name : written_in(sim / shared)) written.push_back(std::move(name));
    std::size_t promised = 0;
    for (const MetricSection& section : metric_sections())
      for (const MetricDefinition& m : section.metrics) {
        if (!is_written_by(m, study)) continue;
        ++promised;
        EXPECT_TRUE(std::ranges::any_of(written, [&](const std::string& literal) { return is_of(literal, m); }))
            << m.name << " of " << study;
      }
    EXPECT_GT(promised, 10u) << study;
    EXPECT_EQ(run_metrics(study).size(), std::ranges::count_if(run_metrics(), [&](const std::string& name) {
                return is_written_by(*find_metric(name), study);
              }));
  }
}

/// What stands in quotes after `before`, one after another where commas part them.
std::vector<std::string> quoted(const std::string& sql, const std::string& before) {
  std::vector<std::string> out;
  for (std::size_t at = sql.find(before); at != sql.npos; at = sql.find(before, at + 1))
    for (std::size_t from = at + before.size(), end = 0; sql[from] == '\''; from = end + 3) {
      end = sql.find('\'', from + 1);
      out.push_back(sql.substr(from + 1, end - from - 1));
      if (sql.compare(end, 3, "', ") != 0) break;
    }
  return out;
}

TEST(Metrics, ReportsAskForDefinedNamesAndShowKnownUnits) {
  std::size_t names = 0, shown = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(test::source_dir()) / "reports")) {
    if (entry.path().extension() != ".sql") continue;
    const std::string sql = read(entry.path());
    for (const char* before : {"name = ", "name IN (", "CASE name WHEN "})
      for (const std::string& name : quoted(sql, before)) {
        EXPECT_NE(find_metric(name), nullptr) << entry.path() << ": " << name;
        ++names;
      }
    for (std::size_t open = sql.find(" ["); open != sql.npos; open = sql.find(" [", open + 1)) {
      const std::string unit = sql.substr(open + 2, sql.find(']', open) - open - 2);
      EXPECT_NE(find_unit(unit), nullptr) << entry.path() << ": " << unit;
      ++shown;
    }
  }
  EXPECT_GT(names, 80u);
  EXPECT_GT(shown, 40u);
}
}  // namespace
}  // namespace moesim::results
