// Which program wrote a database.
#include "results/program.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "core/built.h"
#include "core/files.h"
#include "results/results.h"

namespace moesim::results {
namespace {
TEST(Program, IsToldByVersionCommitSchemaCalibrationAndCompiler) {
  EXPECT_TRUE(program().starts_with(
      fmt::format("{} (commit {}, results schema {}, calibration ", core::version(), core::commit(), kSchemaVersion)))
      << program();
  EXPECT_TRUE(program().ends_with(fmt::format("; {})", core::compiler()))) << program();
  EXPECT_FALSE(core::commit().empty());
}

TEST(Program, StandsInEveryRun) {
  Results results(":memory:", {});
  EXPECT_EQ(results.database().value("SELECT version FROM run"), program());
}

TEST(Program, OfAnotherCompilerGivesTheSameFigures) {
  EXPECT_EQ(figures_by("1 (commit a, results schema 3, calibration b; GNU 12, Release)"),
            figures_by("1 (commit a, results schema 3, calibration b; Clang 14, Debug)"));
  EXPECT_NE(figures_by("1 (commit a, results schema 3, calibration b; GNU 12, Release)"),
            figures_by("1 (commit a, results schema 3, calibration c; GNU 12, Release)"));
  EXPECT_EQ(figures_by("0.0.9"), "0.0.9");
}
}  // namespace
}  // namespace moesim::results
