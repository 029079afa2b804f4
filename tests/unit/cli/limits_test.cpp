// What would take too much is refused before it begins, at the value that makes it so; --dry-run says how much it is.
#include <gtest/gtest.h>

#include "support/command.h"
#include "support/places.h"
#include "support/program.h"
#include "support/temporary_folder.h"

namespace moesim::cli::limits {
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

TEST(Limits, ARateInAProfileIsRefusedToo) {
  const TemporaryFolder folder;
  folder.write("chunk-0-trace.csv", "0,1e9,1.5,Gamma,0.44,1.1\n");
  const std::string said = refusal({"run", "serve-mixtral-8x7b", "--limit-memory", "1GB", "--set",
                                    "serving.workload={kind: servegen, folder: " + folder.path().string() + "}"});
  EXPECT_NE(said.find("--set serving.workload: would need about "), std::string::npos) << said;
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

TEST(Limits, ADryRunRefusesNamesThatTheRunRefuses) {
  const TemporaryFolder folder;
  EXPECT_EQ(moesim_prints("init serve -o s.yaml", folder).exit_code, 0);
  for (const char* set : {"serving.engine=vlm", "serving.pools.0.engine=vlm", "serving.pools.0.batcher=chunkd",
                          "serving.balancer=least_loadd"}) {
    const std::string run = std::string("run s.yaml -o out.db --set ") + set;
    const Printed real = moesim_prints(run, folder), dry = moesim_prints(run + " --dry-run", folder);
    EXPECT_EQ(dry.exit_code, 2) << set;
    EXPECT_EQ(dry.err, real.err) << set;
  }
}

TEST(Limits, AnAmountOfMemoryIsOne) {
  const std::vector<std::vector<std::string>> verbs = {{"run", "train-mixtral-8x7b"},
                                                       {"sweep", "sweep-schedules", "-o", "out.db"},
                                                       {"schedule", "1f1b"},
                                                       {"record", "--model", "deepseek-v2-lite", "--synthetic",
                                                        "--text", test::source_dir() + "/README.md", "-o", "out.db"}};
  for (std::vector<std::string> words : verbs) {
    const std::string verb = words[0];
    words.insert(words.end(), {"--dry-run", "--limit-memory", ""});
    for (const char* amount :
         {"", "0", "-1", "nan", "inf", "1e30", "10 XB", "GB", "[1 GB]", "'1", "\"1", "\\x", "a: b"}) {
      words.back() = amount;
      EXPECT_EQ(refusal(words),
                "--limit-memory: expected a size with a unit (B, KiB, MiB, GiB, TiB, kB, MB, GB, TB), "
                "got \"" +
                    std::string(amount) + "\"")
          << verb;
    }
    words.back() = "-1 B";
    EXPECT_EQ(refusal(words), "--limit-memory: expected a size of 0 or more, got \"-1 B\"") << verb;
    words.back() = "1e30 TB";
    EXPECT_EQ(refusal(words), "--limit-memory: a size is too large: \"1e30 TB\"") << verb;
  }
  const std::string said = refusal({"run", "train-mixtral-8x7b", "--limit-memory", "0 B"});
  EXPECT_NE(said.find("; the limit is 0 B (--limit-memory)"), std::string::npos) << said;
}
}  // namespace
}  // namespace moesim::cli::limits
