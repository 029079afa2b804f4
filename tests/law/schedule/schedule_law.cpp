// What every schedule of the family must keep, whatever its shape.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "schedule/pipelines/timing.h"
#include "support/rounds.h"

namespace moesim::schedule {
namespace {
std::unique_ptr<PipelineSchedule> policy_of(const std::string& kind) {
  return pipeline_schedules().make(Config::from_text("schedule: " + kind, "test").at("schedule"));
}

class EverySchedule : public testing::TestWithParam<std::string> {};

TEST_P(EverySchedule, IsSoundForEveryShapeItDoesNotRefuse) {
  const auto policy = policy_of(GetParam());
  int made = 0;
  for (int ranks = 1; ranks <= 9; ++ranks)
    for (int micro_batches = 1; micro_batches <= 40; ++micro_batches) {
      if (test::kSlower > 1 && ranks % 4 != 2) continue;  // 2 and 6 do for a sanitizer
      if (!policy->refusal(ranks, micro_batches).empty()) {
        EXPECT_THROW(build_schedule(*policy, GetParam(), ranks, micro_batches), ConfigError);
        continue;
      }
      const Schedule s = build_schedule(*policy, GetParam(), ranks, micro_batches);
      std::vector<int> bounds;
      for (int r = 0; r < ranks; ++r) bounds.push_back(policy->in_flight_bound(ranks, micro_batches, r));
      const auto problems = schedule_problems(s, bounds);
      EXPECT_TRUE(problems.empty()) << ranks << " ranks, " << micro_batches << " micro-batches: " << problems[0];
      ++made;
    }
  EXPECT_GT(made, 20);
}

TEST_P(EverySchedule, EndsNoSoonerThanItsBusiestRankAndItsLongestMicroBatch) {
  const auto policy = policy_of(GetParam());
  for (unsigned seed = 0; seed < unsigned(test::rounds(60)); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937_64 random(seed);
    const int ranks = 2 * int(1 + random() % 4), micro_batches = ranks * int(2 + random() % 3);
    ScheduleCosts c;
    c.forward = {std::int64_t(1 + random() % 9)};
    c.backward_input = {std::int64_t(1 + random() % 9)};
    c.weight = {std::int64_t(random() % 9)};
    c.send = {std::int64_t(random() % 3)};
    const Schedule s = build_schedule(*policy, GetParam(), ranks, micro_batches);
    const ScheduleTiming t = time_schedule(s, c);
    EXPECT_TRUE(t.deadlock.empty());
    const Time work = c.of(Op::forward) + c.of(Op::backward);
    for (int r = 0; r < ranks; ++r) {
      EXPECT_EQ(t.busy[std::size_t(r)], work * (micro_batches * (s.layout == Layout::two_way ? 1 : s.chunks)));
      EXPECT_GE(t.idle(r), Time{0});
    }
    // The first micro-batch passes all stages forward and then, but for weight gradients, backward.
    EXPECT_GE(t.end, (c.forward + c.backward_input) * s.stages());
    Time last{};
    for (const auto& rank : t.ranks)
      for (std::size_t k = 1; k < rank.size(); ++k) {
        EXPECT_GE(rank[k].start, rank[k - 1].end);
        last = std::max(last, rank[k].end);
      }
    EXPECT_EQ(t.end, last);
  }
}

/// All but the user's own, which is as sound as what they wrote.
std::vector<std::string> kinds() {
  std::vector<std::string> out;
  for (const auto& s : pipeline_schedules().table())
    if (s.kind != "file") out.emplace_back(s.kind);
  return out;
}
INSTANTIATE_TEST_SUITE_P(Family, EverySchedule, testing::ValuesIn(kinds()),
                         [](const auto& kind) { return "kind_" + kind.param; });

// Every rank pairs all but its warm-up's forwards, holds one activation more than without pairs, and where a pair takes
// less than its halves the step is the shorter for it.
TEST(ScheduleLaw, PairsOfInterleaved1F1BAreSoundAndWorthTheirGain) {
  for (int ranks = 2; ranks <= 8; ++ranks)
    for (int chunks = 2; chunks <= 4; ++chunks)
      for (int rounds = 2; rounds <= 5; ++rounds) {
        const int micro_batches = ranks * rounds, total = micro_batches * chunks;
        SCOPED_TRACE(fmt::format("{} ranks, {} chunks, {} micro-batches", ranks, chunks, micro_batches));
        const auto made = [&](bool overlapped) {
          const auto policy = policy_of(fmt::format("{{kind: interleaved_1f1b, chunks: {}, overlapped: {}}}", chunks,
                                                    overlapped ? "true" : "false"));
          const Schedule s = build_schedule(*policy, "interleaved_1f1b", ranks, micro_batches);
          std::vector<int> bounds;
          for (int r = 0; r < ranks; ++r) bounds.push_back(policy->in_flight_bound(ranks, micro_batches, r));
          const auto problems = schedule_problems(s, bounds);
          EXPECT_TRUE(problems.empty()) << problems[0];
          return s;
        };
        const Schedule plain = made(false), pairs = made(true);
        for (int r = 0; r < ranks; ++r) {
          const auto& program = pairs.programs[std::size_t(r)];
          const int warm_up = std::min(2 * (ranks - 1 - r) + (chunks - 1) * ranks + 1, total);
          EXPECT_EQ(std::ranges::count(program, Op::overlapped, &Instruction::op), total - warm_up);
          EXPECT_EQ(int(program.size()), total + warm_up + 1);
        }
        ScheduleCosts c;
        c.overlapped = c.of(Op::forward) + c.of(Op::backward);
        const Time alone = time_schedule(plain, c).end, even = time_schedule(pairs, c).end;
        EXPECT_GE(even, alone);
        c.overlapped = 2_s;  // of 3
        EXPECT_LT(time_schedule(pairs, c).end, even);
      }
}

TEST(ScheduleLaw, MoreMicroBatchesShrinkTheShareOfTheBubble) {
  for (const char* kind : {"gpipe", "1f1b", "zb_h1", "dualpipe", "dualpipev"}) {
    double before = 1;
    for (int micro_batches : {16, 32, 64, 128}) {
      const ScheduleTiming t = time_schedule(build_schedule(*policy_of(kind), kind, 8, micro_batches), {});
      EXPECT_LT(t.idle(0) / t.end, before) << kind << " " << micro_batches;
      before = t.idle(0) / t.end;
    }
  }
}
}  // namespace
}  // namespace moesim::schedule
