// Pipelines on unit hardware against their closed forms, equal to the picosecond.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>

#include "schedule/pipelines/timing.h"

namespace moesim::schedule {
namespace {
Schedule make(const std::string& kind, int ranks, int micro_batches) {
  const Config config = Config::from_text("schedule: " + kind, "test");
  const auto policy = pipeline_schedules().make(config.at("schedule"));
  return build_schedule(*policy, kind, ranks, micro_batches);
}

ScheduleCosts costs(int forward, int input, int weight, int saved = 0) {
  ScheduleCosts out;
  out.forward = 10_s * forward;
  out.backward_input = 10_s * input;
  out.weight = 10_s * weight;
  out.overlapped = 10_s * (forward + input + weight) - 1_s * saved;
  return out;
}

Time most_idle(const Schedule& s, const ScheduleTiming& t) {
  Time out{};
  for (int rank = 0; rank < s.ranks; ++rank) out = std::max(out, t.idle(rank));
  return out;
}

struct Shape {
  int ranks, micro_batches;
};
const std::vector<Shape> kShapes = {{1, 1}, {2, 4}, {4, 8}, {4, 9}, {6, 12}, {8, 16}, {8, 20}, {16, 120}};

TEST(ClosedForm, GpipeAndOneFOneBIdleForAllStagesButOne) {
  for (const char* kind : {"gpipe", "1f1b"})
    for (const Shape& shape : kShapes) {
      const Schedule s = make(kind, shape.ranks, shape.micro_batches);
      for (int f = 1; f <= 3; ++f)
        for (int i = 1; i <= 3; ++i)
          for (int w = 0; w <= 3; ++w) {
            const ScheduleCosts c = costs(f, i, w);
            const ScheduleTiming t = time_schedule(s, c);
            const Time pair = c.of(Op::forward) + c.of(Op::backward);
            SCOPED_TRACE(fmt::format("{} {} {} F{} I{} W{}", kind, shape.ranks, shape.micro_batches, f, i, w));
            EXPECT_EQ(t.end, pair * (shape.micro_batches + shape.ranks - 1));
            for (int rank = 0; rank < s.ranks; ++rank) EXPECT_EQ(t.idle(rank), pair * (shape.ranks - 1));
            // The bubble's share is (p - 1) / (m + p - 1).
            EXPECT_DOUBLE_EQ(t.idle(0) / t.end, double(shape.ranks - 1) / (shape.micro_batches + shape.ranks - 1));
          }
    }
}

TEST(ClosedForm, InterleavedDividesTheBubbleByTheChunks) {
  for (int chunks : {2, 3, 4})
    for (const Shape& shape : {Shape{2, 4}, Shape{4, 8}, Shape{8, 24}}) {
      const Config config =
          Config::from_text(fmt::format("schedule: {{kind: interleaved_1f1b, chunks: {}}}", chunks), "test");
      const auto policy = pipeline_schedules().make(config.at("schedule"));
      const Schedule s = build_schedule(*policy, "interleaved_1f1b", shape.ranks, shape.micro_batches);
      const ScheduleCosts c = costs(1, 1, 1);  // of one chunk, a piece of what a rank holds
      const ScheduleTiming t = time_schedule(s, c);
      EXPECT_EQ(t.end, 30_s * (shape.micro_batches * chunks + shape.ranks - 1));
    }
}

// The published form (p - 1)(F + B - 2W) holds where no rank waits inside the steady part: W no longer than F or I.
TEST(ClosedForm, Zb1pFillsHalfOfTheBubbleWithWeightGradients) {
  for (const Shape& shape : kShapes) {
    const Schedule s = make("zb_h1", shape.ranks, shape.micro_batches);
    for (int f = 1; f <= 4; ++f)
      for (int i = 1; i <= 4; ++i)
        for (int w = 1; w <= std::min(f, i); ++w) {
          const ScheduleCosts c = costs(f, i, w);
          const ScheduleTiming t = time_schedule(s, c);
          const Time bubble = (c.forward + c.of(Op::backward) - 2 * c.weight) * (shape.ranks - 1);
          SCOPED_TRACE(fmt::format("{} {} F{} I{} W{}", shape.ranks, shape.micro_batches, f, i, w));
          for (int rank = 0; rank < s.ranks; ++rank) EXPECT_EQ(t.idle(rank), bubble);
        }
  }
}

// (PP/2 - 1)(F&B + B - 3W), PP counted in stages; it holds for F = I >= W.  The middle ranks do one F and one B apart,
// so with an F&B shorter than their sum they are busy longer than the others: the formula is the idlest rank's.
TEST(ClosedForm, DualPipeAndDualPipeVHaveTheSameSmallBubble) {
  for (const char* kind : {"dualpipe", "dualpipev"})
    for (int ranks : {2, 4, 6, 8, 16})
      for (int micro_batches : {2 * ranks, 2 * ranks + 4, 5 * ranks}) {
        const Schedule s = make(kind, ranks, micro_batches);
        const int stages = s.stages();
        for (int f = 1; f <= 4; ++f)
          for (int w = 1; w <= f; ++w)
            for (int saved : {0, 3, 7}) {
              const ScheduleCosts c = costs(f, f, w, saved);
              const ScheduleTiming t = time_schedule(s, c);
              const Time bubble = (c.overlapped + c.of(Op::backward) - 3 * c.weight) * (stages / 2 - 1);
              SCOPED_TRACE(fmt::format("{} {} {} F=I={} W{} saved {}", kind, ranks, micro_batches, f, w, saved));
              EXPECT_EQ(most_idle(s, t), bubble);
            }
      }
}

TEST(ClosedForm, PublishedExampleOfEightStagesAndTwentyMicroBatches) {
  EXPECT_EQ(time_schedule(make("1f1b", 8, 20), {}).end, 81_s);
  EXPECT_EQ(time_schedule(make("zb_h1", 8, 20), {}).end, 67_s);
  ScheduleCosts half;  // a chunk of a V is half of a rank's layers
  half.forward = half.backward_input = half.weight = {500'000'000'000};
  EXPECT_LE(time_schedule(make("zb_v", 8, 20), half).end, Time{63'500'000'000'000});
  EXPECT_EQ(time_schedule(make("dualpipe", 8, 20), {}).end, 66_s);
}

TEST(ClosedForm, ZbVOnlyWaitsForTheFirstAndLastActivation) {
  // With F = I = W each rank waits p - 1 chunks in all: the way in and the way out.
  for (const Shape& shape : {Shape{2, 4}, Shape{4, 8}, Shape{4, 16}, Shape{6, 18}, Shape{8, 24}, Shape{8, 32}}) {
    const ScheduleTiming t = time_schedule(make("zb_v", shape.ranks, shape.micro_batches), {});
    EXPECT_EQ(t.end, 1_s * (6 * shape.micro_batches + shape.ranks - 1)) << shape.ranks << " " << shape.micro_batches;
  }
}

// Bubbles of the busiest time with F = I = W: p / 2m and 2p / 3m.  Source: Qi et al., Pipeline Parallelism with
// Controllable Memory, 2024, with its schedulers' table.
TEST(ClosedForm, VHalfAndVMinWaitNoLongerThanPublished) {
  for (const Shape& shape : {Shape{4, 16}, Shape{8, 24}, Shape{8, 32}, Shape{12, 48}, Shape{16, 64}}) {
    SCOPED_TRACE(fmt::format("{} {}", shape.ranks, shape.micro_batches));
    const Time busy = 6_s * shape.micro_batches;
    EXPECT_LE(time_schedule(make("v_half", shape.ranks, shape.micro_batches), {}).end, busy + 3_s * shape.ranks);
    EXPECT_LE(time_schedule(make("v_min", shape.ranks, shape.micro_batches), {}).end, busy + 4_s * shape.ranks);
  }
}

TEST(ClosedForm, ASendDelaysEachHopOfTheFirstAndLastMicroBatch) {
  ScheduleCosts c;
  c.send = 1_s;
  // One micro-batch over three ranks: F 1, hop 1, F 1, hop 1, F 1, B 2, hop 1, B 2, hop 1, B 2.
  EXPECT_EQ(time_schedule(make("gpipe", 3, 1), c).end, 13_s);
}

TEST(ClosedForm, EachStageTakesItsOwnTime) {
  ScheduleCosts c;
  c.send = 1_s;
  c.stages = {{.forward = 1_s, .backward = 2_s}, {.forward = 3_s, .backward = 5_s}};
  // F 1, hop 1, F 3, B 5, hop 1, B 2.
  EXPECT_EQ(time_schedule(make("1f1b", 2, 1), c).end, 13_s);
  // Two micro-batches: the second stage is the slower and waits for the first activation and the last gradient alone.
  EXPECT_EQ(time_schedule(make("1f1b", 2, 2), c).end, 1_s * (1 + 1 + 2 * (3 + 5) + 1 + 2));
}
}  // namespace
}  // namespace moesim::schedule
