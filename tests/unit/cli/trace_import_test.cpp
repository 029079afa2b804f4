// `moesim trace import`: where the trace goes, and what is said of it.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "support/program.h"

namespace moesim::cli {
namespace {
class TraceImportVerb : public testing::Test {
 protected:
  TraceImportVerb() {
    std::string rows;
    for (int l = 0; l < 3; ++l)
      for (int e = 0; e < 32; ++e) rows += fmt::format("{}{}", e < 4 ? 400 : 0, e == 31 ? "\n" : ",");
    folder_.write("counts.csv", rows);
  }
  Printed imported(const std::string& options) const { return moesim_prints("trace import " + options, folder_); }
  bool there(const std::string& name) const { return std::filesystem::exists(folder_.file(name)); }
  TemporaryFolder folder_;
};

TEST_F(TraceImportVerb, TheTraceStandsBesideWhatItIsOfUnlessItIsNamed) {
  const Printed beside = imported("counts.csv --top-k 2");
  EXPECT_EQ(beside.exit_code, 0) << beside.err;
  EXPECT_TRUE(beside.out.starts_with("imported counts.csv as ")) << beside.out;
  EXPECT_TRUE(there("counts.db"));
  EXPECT_EQ(imported("counts.csv --top-k 2 -o by_option.db").exit_code, 0);
  EXPECT_TRUE(there("by_option.db"));
  EXPECT_EQ(imported("counts.csv by_place.db --top-k 2").exit_code, 0);
  EXPECT_TRUE(there("by_place.db"));
}

// Ten rows an expert are enough to say that some are idle: 160 tokens of two choices among 32.
TEST_F(TraceImportVerb, IdleExpertsAreSaidOfTenRowsAnExpertAndNotOfFewer) {
  EXPECT_EQ(imported("counts.csv few.db --top-k 2 --tokens 159").err, "");
  const std::string said = imported("counts.csv enough.db --top-k 2 --tokens 160").err;
  EXPECT_NE(said.find("only experts 0 to 3 of 32 have load"), std::string::npos) << said;
}
}  // namespace
}  // namespace moesim::cli
