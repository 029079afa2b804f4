// What would take too much is refused before it begins, at the value that makes it so; --dry-run says how much it is.
#include <gtest/gtest.h>

#include "support/command.h"
#include "support/program.h"
#include "support/temporary_folder.h"

namespace moesim::cli {
namespace {
std::string refusal(std::vector<std::string> words) { return run_command(words); }

TEST(Limits, ABatchIsRefusedAtItsKey) {
  EXPECT_EQ(refusal({"run", "train-mixtral-8x7b", "--limit-memory", "1GB", "--set", "training.batch=1600000000"}),
            "--set training.batch: would need about 227 GB of memory, 227 GB for 100,000,000 micro-batches on 32 GPUs; "
            "the limit is 1 GB (--limit-memory)");
}

TEST(Limits, ARateIsRefusedAtTheWorkload) {
  const std::string said =
      refusal({"run", "serve-mixtral-8x7b", "--limit-memory", "1GB", "--set", "serving.workload.rate=1e9"});
  EXPECT_NE(said.find("serving.workload: would need about 34.1 TB of memory"), std::string::npos) << said;
  EXPECT_NE(said.find("120,000,000,000 requests"), std::string::npos) << said;
}

TEST(Limits, MoreEventsThanARunCanHaveAreRefused) {
  const std::string said = refusal({"run", "serve-mixtral-8x7b", "--set", "serving.sample=1 ps"});
  EXPECT_NE(said.find("--set serving.sample: would take about 120,000,000,"), std::string::npos) << said;
  EXPECT_NE(said.find("a run has at most 250,000,000,000"), std::string::npos) << said;
}

TEST(Limits, ASchedule) {
  EXPECT_EQ(refusal({"schedule", "1f1b", "--micro-batches", "1000000", "--stages", "64", "--limit-memory", "1GiB"}),
            "moesim schedule: would need about 18.4 GB of memory, 18.4 GB for 1,000,000 micro-batches on 64 ranks; the "
            "limit is 1.07 GB (--limit-memory)");
}

TEST(Limits, ASweepOfTooManyPoints) {
  const TemporaryFolder folder;
  std::string text = "scenario: train-mixtral-8x7b\nvary:\n";
  for (const char* key : {"seed", "training.batch", "training.sequence"}) {
    text += std::string("  - {key: ") + key + ", values: [1";
    for (int i = 2; i <= 101; ++i) text += ", " + std::to_string(i);
    text += "]}\n";
  }
  folder.write("sweep.yaml", text);
  const Printed printed = moesim_prints("sweep sweep.yaml -o out.db", folder);
  EXPECT_EQ(printed.exit_code, 2);
  EXPECT_EQ(printed.err, "sweep.yaml:3:3: vary: a grid of 1,030,301 points; at most 1,000,000 can be run\n");
}

TEST(Limits, ADryRunSaysItAllAndMakesNothing) {
  const TemporaryFolder folder;
  const Printed printed = moesim_prints("run train-mixtral-8x7b --dry-run --limit-memory 1GB -o out.db", folder);
  EXPECT_EQ(printed.exit_code, 0);
  EXPECT_NE(printed.out.find("memory  about "), std::string::npos) << printed.out;
  EXPECT_NE(printed.out.find("events  about 49,7"), std::string::npos) << printed.out;
  EXPECT_NE(printed.out.find("time    about "), std::string::npos) << printed.out;
  EXPECT_TRUE(folder.empty());
}
}  // namespace
}  // namespace moesim::cli
