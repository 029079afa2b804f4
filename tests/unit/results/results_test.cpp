#include "results/results.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/config.h"
#include "results/blob.h"
#include "support/places.h"
#include "support/temporary_folder.h"

namespace moesim::results {
namespace {
namespace fs = std::filesystem;

class ResultsTest : public testing::Test {
 protected:
  std::string file(const char* name) const { return folder_.file(name); }
  TemporaryFolder folder_;
};

TEST_F(ResultsTest, KeepsRowsAndMarksTheRunComplete) {
  {
    Results results(file("a.db"), {"title", "passes", "a.yaml", "text", "", 7});
    results.metric("step_time", 0.5, "s");
    results.metric("step_time", 0.25, "s", "phase:decode");
    results.add(Table::expert_load, {3, "decode", 17, 42.0});
    EXPECT_EQ(results.metric_value("step_time", "phase:decode"), 0.25);
    results.finish({"complete", 0xabcdef, 10, 2_s, 0.1}, "seed: 7\n");
  }
  const Database db = Database::open(file("a.db"));
  EXPECT_EQ(db.value("SELECT state || ' ' || fingerprint || ' ' || simulated_time FROM run"),
            "complete 0000000000abcdef 2.0");
  EXPECT_EQ(db.value("SELECT value FROM run_metric WHERE name = 'step_time'"), "0.5");
  EXPECT_EQ(db.value("SELECT expert FROM expert_load"), "17");
  EXPECT_FALSE(fs::exists(file("a.db-wal")));
}

TEST_F(ResultsTest, LeavesNothingWhenTheRunFails) {
  { Results results(file("a.db"), {}); }
  EXPECT_TRUE(folder_.empty());
}

TEST_F(ResultsTest, RefusesAnExistingFile) {
  std::ofstream(file("a.db")) << "precious";
  EXPECT_THROW(Results(file("a.db"), {}), ConfigError);
  EXPECT_EQ(fs::file_size(file("a.db")), 8u);
}

TEST_F(ResultsTest, RefusesARowOfTheWrongWidthAndAMetricThatIsNoNumber) {
  Results results(":memory:", {});
  EXPECT_THROW(results.add(Table::expert_load, {3, "decode"}), std::logic_error);
  EXPECT_THROW(results.metric("step_time", std::nan(""), "s"), std::logic_error);
  EXPECT_THROW(results.reading("running", 1_s, std::nan(""), "", "pool:a"), std::logic_error);
}

TEST_F(ResultsTest, KeepsSeriesApartFromMetrics) {
  Results results(":memory:", {});
  results.reading("utilisation", 1500_ms, 0.25, "", "pool:a");
  EXPECT_FALSE(results.has_metric("utilisation", "pool:a"));
  EXPECT_EQ(results.database().value("SELECT name || ' ' || scope || ' ' || time || ' ' || value FROM series"),
            "utilisation pool:a 1.5 0.25");
  EXPECT_EQ(results.database().value("SELECT count(*) FROM metric"), "0");
}

TEST_F(ResultsTest, OpeningSomethingElseSaysSo) {
  std::ofstream(file("a.txt")) << "this is not a database, but it is long enough to be looked at by the library";
  try {
    (void)Database::open(file("a.txt"));
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_EQ(std::string(e.what()), file("a.txt") + ": is not an SQLite database");
  }
}

TEST_F(ResultsTest, OfFiguresThatAreAskedForAtOnceKeepsTheTablesNamed) {
  Results results({Table::warning});
  results.add(Table::warning, {"run", "steady", "it is not"});
  results.add(Table::assumption, {"run", "targets", "none", "as asked"});
  results.metric("gpus", 8, "");
  EXPECT_EQ(results.database().value("SELECT count(*) FROM warning"), "1");
  EXPECT_FALSE(results.database().has_table("assumption"));
  EXPECT_EQ(results.metric_value("gpus"), 8);
  EXPECT_ANY_THROW(results.add(Table::assumption, {"too few"})) << "as for a file";
}

TEST(Blob, RoundTripsAndRefusesDamage) {
  std::vector<std::byte> bytes(10'000, std::byte{7});
  std::vector<std::byte> blob = compress(bytes);
  EXPECT_LT(blob.size(), 100u);
  EXPECT_EQ(decompress(blob, bytes.size()), bytes);
  EXPECT_THROW(decompress(blob, bytes.size() - 1), ConfigError);
  blob.resize(blob.size() / 2);
  EXPECT_THROW(decompress(blob, bytes.size()), ConfigError);
}

TEST(Schema, DocumentationIsTheOneThatIsGenerated) {
  std::ifstream in(test::source_dir() + "/reports/schema.md");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), schema_markdown())
      << "run: moesim list schema > reports/schema.md";
}
}  // namespace
}  // namespace moesim::results
