#include "results/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "results/results.h"

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
  EXPECT_EQ(read(fs::path(SOURCE_DIR) / "reports/metrics.md"), metrics_markdown())
      << "run: moesim list metrics > reports/metrics.md";
}

/// A name in the source: whole, with {} for what is filled in, or the end of a name that a lambda puts a prefix to.
bool defined(const std::string& literal) {
  const std::size_t hole = literal.find("{}");
  const std::string before = literal.substr(0, hole),
                    after = hole == literal.npos ? "" : literal.substr(literal.rfind("{}") + 2);
  for (const MetricSection& section : metric_sections())
    for (const MetricDefinition& m : section.metrics)
      for (const std::string& name : full_names(m)) {
        if (name == literal || name.ends_with("_" + literal)) return true;
        if (hole != literal.npos && name.starts_with(before) && name.ends_with(after)) return true;
      }
  return false;
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

TEST(Metrics, EveryNameInTheSourceIsDefined) {
  std::size_t seen = 0;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(SOURCE_DIR) / "sim")) {
    if (entry.path().extension() != ".cpp") continue;
    const std::string text = read(entry.path());
    std::vector<std::string> names = literals_after(text, "metric(");
    for (const std::string& name : literals_after(text, " gauge(")) names.push_back(name);
    for (const std::string& name : literals_after(text, "write_quantiles(results,")) names.push_back(name + "_p99");
    for (const std::string& name : names) EXPECT_TRUE(defined(name)) << entry.path() << ": " << name;
    seen += names.size();
  }
  EXPECT_GT(seen, 150u);
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
  for (const auto& entry : fs::directory_iterator(fs::path(SOURCE_DIR) / "reports")) {
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
