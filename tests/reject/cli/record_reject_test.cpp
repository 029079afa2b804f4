// `moesim record` of models whose pass is one of its own: what it lacks, and what others lack.
#include <gtest/gtest.h>

#include "support/places.h"
#include "support/program.h"

namespace moesim::cli {
namespace {
class RecordReject : public testing::Test {
 protected:
  std::string refusal(const std::string& model, const std::string& options) const {
    const Printed printed = moesim_prints("record --model " + model + " --synthetic --limit 8 --text " +
                                              test::source_dir() + "/README.md -o t.trace.db " + options,
                                          folder);
    EXPECT_EQ(printed.exit_code, 2) << options << "\n" << printed.out;
    EXPECT_FALSE(std::filesystem::exists(folder.path() / "t.trace.db"));
    return printed.err;
  }
  TemporaryFolder folder;
};

TEST_F(RecordReject, WhatAPassOverEntriesLacks) {
  for (const std::string option : {"--mtp"})
    EXPECT_EQ(refusal("deepseek-v4-flash", option),
              option + ": deepseek-v4-flash attends over entries of several tokens; its pass has none\n");
}

TEST_F(RecordReject, PicksOfLayersThatPickNoEntries) {
  EXPECT_EQ(refusal("deepseek-v2-lite", "--picks p.jsonl"),
            "--picks: writes what DeepSeek-V4's indexers pick; deepseek-v2-lite has other layers\n");
}
}  // namespace
}  // namespace moesim::cli
