// Exact messages for schedules that cannot be.
#include <gtest/gtest.h>

#include <cstdio>

#include "schedule/pipelines/timing.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::schedule {
namespace {
std::string refusal(const std::string& schedule, int ranks, int micro_batches) {
  return test::refusal_of([&] {
    const Config config = Config::from_text("schedule: " + schedule, "plan.yaml");
    config.at("schedule").placed([&] {
      build_schedule(*pipeline_schedules().make(config.at("schedule")), "x", ranks, micro_batches);
    });
  });
}

TEST(ScheduleReject, DualPipeNeedsEvenAndEnoughMicroBatchesAndEvenStages) {
  EXPECT_EQ(refusal("dualpipe", 8, 21),
            "plan.yaml:1:11: schedule: dualpipe needs an even number of micro-batches, got 21; 20 or 22 would do");
  EXPECT_EQ(refusal("dualpipe", 8, 15),
            "plan.yaml:1:11: schedule: dualpipe needs at least 2 x 8 stages = 16 micro-batches, got 15");
  EXPECT_EQ(refusal("dualpipe", 8, 16), "accepted");
  EXPECT_EQ(refusal("dualpipe", 7, 20),
            "plan.yaml:1:11: schedule: dualpipe needs an even number of stages, got 7; 6 or 8 would do");
  EXPECT_EQ(refusal("dualpipev", 4, 7),
            "plan.yaml:1:11: schedule: dualpipev needs at least 2 x 4 ranks = 8 micro-batches, got 7");
  EXPECT_EQ(refusal("dualpipev", 4, 8), "accepted");
}

TEST(ScheduleReject, InterleavedNeedsGroupsOfAsManyMicroBatchesAsStages) {
  EXPECT_EQ(refusal("interleaved_1f1b", 4, 10),
            "plan.yaml:1:11: schedule: interleaved_1f1b needs a multiple of the 4 stages as micro-batches, got 10; 12 "
            "would do");
  EXPECT_EQ(refusal("{kind: interleaved_1f1b, chunks: 1}", 4, 8),
            "plan.yaml:1:11: schedule: interleaved_1f1b needs at least 2 chunks a rank, got 1; with 1 it is 1f1b");
}

TEST(ScheduleReject, AVIsWrittenForAllThreeTimesOrNone) {
  EXPECT_EQ(
      refusal("{kind: v_half, forward: 2, weight: 1}", 4, 8),
      "plan.yaml:1:11: schedule: v_half needs relative costs of at least 1, or none of the three, got 2, 0 and 1");
  EXPECT_EQ(refusal("{kind: zb_v, forward: 2, backward_input: -1, weight: 1}", 4, 8),
            "plan.yaml:1:11: schedule: zb_v needs relative costs of at least 1, or none of the three, got 2, -1 and 1");
  EXPECT_EQ(refusal("{kind: v_min, forward: 2, backward_input: 2, weight: 1}", 4, 8), "accepted");
  EXPECT_EQ(refusal("v_min", 4, 8), "accepted");
}

TEST(ScheduleReject, UnknownKindsNameTheNearest) {
  EXPECT_EQ(refusal("dualpip", 4, 8),
            "plan.yaml:1:11: schedule: no schedule is called \"dualpip\"; did you mean \"dualpipe\"?");
  EXPECT_EQ(refusal("1f1b", 0, 8), "plan.yaml:1:11: schedule: a pipeline needs at least 1 stage, got 0");
  EXPECT_EQ(refusal("1f1b", 4, 0), "plan.yaml:1:11: schedule: a step needs at least 1 micro-batch, got 0");
}

class ScheduleFile : public testing::Test {
 protected:
  std::string file_ = testing::TempDir() + "schedule.yaml";
  std::string refused(const std::string& text, int ranks = 2, int micro_batches = 2) {
    put_file(file_, text);
    std::string out = refusal("{kind: file, file: \"" + file_ + "\"}", ranks, micro_batches);
    if (out.starts_with(file_)) out = out.substr(file_.size());
    return out;
  }
};

TEST_F(ScheduleFile, IsChecked) {
  EXPECT_EQ(refused("micro_batches: 2\nprograms:\n  - F0 F1 B0 B1\n  - F0 B0 F1 B1\n"), "accepted");
  EXPECT_EQ(refused("micro_batches: 2\nprograms:\n  - F0 F1 B0 B1\n  - F0 B0 B1\n"),
            ":3:3: programs: rank 1 has B1 before F1");
  EXPECT_EQ(refused("micro_batches: 2\nprograms:\n  - F0 F1 B0\n  - F0 B0 F1 B1\n"), ":3:3: programs: rank 0 lacks B1");
  EXPECT_EQ(refused("micro_batches: 2\nprograms:\n  - F0 F1 B0 B0\n  - F0 B0 F1 B1\n"),
            ":3:3: programs: rank 0 has B0 twice (and 1 more)");
  EXPECT_EQ(refused("micro_batches: 2\nprograms:\n  - F0 F1 B0 X1\n  - F0 B0 F1 B1\n"),
            ":3:5: programs[0]: expected F3, B3, I3, W3 (with .1 for chunk 1) or F4&B2, got \"X1\"");
  EXPECT_EQ(refused("micro_batches: 2\nprograms:\n  - F0 F1 B0 F1.1\n  - F0 B0 F1 B1\n"),
            ":3:3: programs: rank 0 has F1, but there are 2 micro-batches and 1 chunks (and 1 more)");
  EXPECT_EQ(refused("micro_batches: 2\nprograms:\n  - F0 F1 B0 B1\n  - F0 B0 F1 B1\n", 4, 2),
            "plan.yaml:1:11: schedule: the schedule file is for 2 stages and 2 micro-batches, not 4 and 2");
}

TEST_F(ScheduleFile, ReportsADeadlockWithWhoWaitsForWhom) {
  // Rank 0 wants B0 before it sends F1; rank 1 wants F1 before it does B0.
  EXPECT_EQ(refused("micro_batches: 2\nprograms:\n  - F0 B0 F1 B1\n  - F0 F1 B0 B1\n"),
            ":3:3: programs: deadlock: rank 0 stops before B0: waits for B0 of rank 1 (and 1 more)");
}

TEST_F(ScheduleFile, CanHoldOverlappedAndSplitWork) {
  EXPECT_EQ(refused("micro_batches: 3\nlayout: wave\nchunks: 2\nprograms:\n"
                    "  - F0.0 F0.1 F1.0 F1.1&B0.1 F2.0&B0.0 F2.1&B1.1 I1.0 W1.0 B2.1 B2.0\n",
                    1, 3),
            "accepted");
}
}  // namespace
}  // namespace moesim::schedule
