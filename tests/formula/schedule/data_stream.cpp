// Gradients and parameters on the data-parallel stream, on unit hardware: what compute hides, and what it cannot.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>

#include "core/random.h"
#include "formula/schedule/unit_costs.h"

namespace moesim::schedule {
namespace {
/// Blocks of one second forward and one backward, on one GPU.
struct Blocks {
  int blocks = 1, micro_batches = 1;
  Time reduction{}, gather{};
  bool always_reduces = false, always_gathers = false;
  Time forward = 1_s, back = 1_s;
  int squeeze = 1;
  GpuOutcome run(bool overlapped, const char* kind = "gpipe") const {
    Engine engine;
    UnitCosts costs(engine);
    costs.layers = blocks;
    costs.times[std::size_t(Piece::attention)] = forward;
    costs.times[std::size_t(Piece::attention_weight)] = back;
    costs.reduction_time = reduction;
    costs.gather_time = gather;
    costs.always_reduces = always_reduces;
    costs.always_gathers = always_gathers;
    costs.overlapped = overlapped;
    costs.squeeze = squeeze;
    return schedule::run(make(kind, 1, micro_batches), costs).gpus[0];
  }
  Time step(bool overlapped) const { return sum(run(overlapped)); }
};

TEST(DataStream, GradientsLeaveBlockByBlockInTheLastBackward) {
  // F 4, B 4; the blocks' reductions of 1 s start at 5, 6, 7, 8: only the last is exposed.
  const Blocks last{.blocks = 4, .reduction = 1_s};
  EXPECT_EQ(last.step(true), 9_s);
  EXPECT_EQ(last.step(false), 12_s);
  // The micro-batches before the last reduce nothing.
  const Blocks two{.blocks = 4, .micro_batches = 2, .reduction = 1_s};
  EXPECT_EQ(two.step(true), 17_s);
  // Longer than the backwards they lie beside: from 5 on one after the other.
  const Blocks slow{.blocks = 4, .reduction = 2_s};
  EXPECT_EQ(slow.step(true), 13_s);
}

TEST(DataStream, WithShardedGradientsEveryMicroBatchReduces) {
  // F F B B: backwards end at 3 and 4, reductions of 2 s at 5 and 7.
  const Blocks zero2{.micro_batches = 2, .reduction = 2_s, .always_reduces = true};
  EXPECT_EQ(zero2.step(true), 7_s);
  // Exposed: B until 3, reduced at 5, B until 6, reduced at 8.
  EXPECT_EQ(zero2.step(false), 8_s);
}

TEST(DataStream, ShardedParametersComeABlockAhead) {
  // Gathers of 1 s: block 0 at 1; from then on each gather lies beside the block before it: F F B B end at 5.
  const Blocks fast{.blocks = 2, .gather = 1_s, .always_gathers = true};
  EXPECT_EQ(fast.step(true), 5_s);
  EXPECT_EQ(fast.step(false), 8_s);
  // Of 3 s: there at 3, 6, 9, 12, each followed by its second of compute.
  const Blocks slow{.blocks = 2, .gather = 3_s, .always_gathers = true};
  EXPECT_EQ(slow.step(true), 13_s);
  EXPECT_EQ(slow.step(false), 16_s);
}

TEST(DataStream, CollectivesTakeSmsFromWhatTheyLieBeside) {
  // Parameters of 2 s a block: block 0 computes from 2 on, for 2 s of it beside block 1's, at half the pace: half of
  // its work of 2 s is done by 4, when the stream is free, and the rest by 5.  Block 1: 5 to 7; two backwards of 1 s.
  const Blocks blocks{.blocks = 2, .gather = 2_s, .forward = 2_s, .squeeze = 2};
  EXPECT_EQ(blocks.step(true), 9_s);
  // With nothing beside it nothing is slower: 4 s of gathers, then 4 and 2.
  EXPECT_EQ(blocks.step(false), 10_s);
  // All of it beside a collective: four times as long, however long that takes.
  EXPECT_EQ(squeezed_for(10_s, 1_s, 4_s), 4_s);
  EXPECT_EQ(squeezed_for(4_s, 1_s, 4_s), 4_s);
  EXPECT_EQ(squeezed_for(2_s, 2_s, 4_s), 3_s);
  EXPECT_EQ(squeezed_for(0_s, 2_s, 4_s), 2_s);
}

TEST(DataStream, LyingBesideNeverCostsMoreThanWaiting) {
  Random random(17, "squeezed");
  for (int i = 0; i < 1000; ++i) {
    const Time beside = 1_ns * std::int64_t(random.below(1000)), alone = 1_ns * std::int64_t(1 + random.below(1000)),
               squeezed = alone + 1_ns * std::int64_t(random.below(1000));
    const Time takes = squeezed_for(beside, alone, squeezed);
    EXPECT_GE(takes, alone);
    EXPECT_LE(takes, squeezed);
    EXPECT_LE(std::max(takes, beside), alone + beside);
  }
}

TEST(DataStream, UpdatedParametersComeInTheOrderOfTheFirstForwards) {
  // Gathers of 3 s: block 0 forward 3 to 4, block 1 forward 6 to 7, then two backwards.
  const Blocks blocks{.blocks = 2, .gather = 3_s};
  const GpuOutcome out = blocks.run(true);
  EXPECT_EQ(sum(out), 9_s);
  EXPECT_EQ(out.spent[std::size_t(Spent::exposed_communication)], 5_s);
  EXPECT_EQ(blocks.step(false), 4_s + 6_s);
}

TEST(DataStream, HidingNeverExceedsTheCover) {
  Random random(5, "data stream");
  for (int i = 0; i < 300; ++i) {
    Blocks b{.blocks = 1 + int(random.below(5)), .micro_batches = 1 + int(random.below(4))};
    b.reduction = 1_s * std::int64_t(random.below(5));
    b.gather = 1_s * std::int64_t(random.below(5));
    b.always_reduces = random.below(2) == 1;
    b.always_gathers = b.always_reduces && random.below(2) == 1;
    b.forward = 1_s * std::int64_t(1 + random.below(3));
    b.back = 1_s * std::int64_t(1 + random.below(3));
    const char* kind = random.below(2) == 1 ? "gpipe" : "1f1b";
    SCOPED_TRACE(fmt::format("{}: {} blocks, {} micro-batches, reduction {}, gather {}, always {} {}, F {} B {}", kind,
                             b.blocks, b.micro_batches, seconds(b.reduction), seconds(b.gather), b.always_reduces,
                             b.always_gathers, seconds(b.forward), seconds(b.back)));
    const std::int64_t passes = std::int64_t{b.blocks} * b.micro_batches;
    const Time compute = (b.forward + b.back) * passes;
    const Time moved =
        b.reduction * (b.always_reduces ? passes : b.blocks) + b.gather * (b.always_gathers ? 2 * passes : b.blocks);
    const Time hidden = sum(b.run(true, kind)), exposed = sum(b.run(false, kind));
    EXPECT_EQ(exposed, compute + moved);
    EXPECT_GE(hidden, std::max(compute, moved));
    EXPECT_LE(hidden, exposed);
    EXPECT_LE(exposed - hidden, compute);
  }
}
}  // namespace
}  // namespace moesim::schedule
