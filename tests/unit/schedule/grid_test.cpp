#include <gtest/gtest.h>

#include "schedule/pipelines/grid.h"

namespace moesim::schedule {
namespace {
Schedule make(const std::string& kind, int ranks, int micro_batches) {
  const auto policy = pipeline_schedules().make(Config::from_text("schedule: " + kind, "test").at("schedule"));
  return build_schedule(*policy, kind, ranks, micro_batches);
}

TEST(Grid, DrawsEachRankOnItsLine) {
  const Schedule s = make("1f1b", 2, 2);
  EXPECT_EQ(schedule_grid(s, time_schedule(s, {})),
            "rank 0 |F0 F1 .  .  B0    .  B1\n"
            "rank 1 |.  F0 B0    F1 B1    .  .\n");
}

TEST(Grid, ScalesToTheDurations) {
  const Schedule s = make("zb_h1", 2, 2);
  ScheduleCosts c;
  c.forward = 2_s;
  EXPECT_EQ(schedule_grid(s, time_schedule(s, c)),
            "rank 0 |F0    F1    .  I0 W0 .  I1 W1\n"
            "rank 1 |.  .  F0    I0 F1    I1 W0 W1\n");
}

TEST(Grid, SvgHasABoxForEveryInstructionAndRow) {
  const Schedule s = make("dualpipe", 2, 4);
  const std::string svg = schedule_svg(s, time_schedule(s, {}));
  std::size_t boxes = 0, instructions = 0;
  for (std::size_t at = svg.find("stroke=\"white\""); at != std::string::npos; at = svg.find("stroke", at + 1)) ++boxes;
  for (const auto& program : s.programs) instructions += program.size() - 1;
  EXPECT_EQ(boxes, instructions);
  EXPECT_NE(svg.find("&amp;B"), std::string::npos);
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
}

TEST(Schedule, SeatsAndStagesAreInverse) {
  for (const char* kind : {"1f1b", "interleaved_1f1b", "zb_v", "dualpipe", "dualpipev"}) {
    const Schedule s = make(kind, 4, 8);
    for (int m = 0; m < s.micro_batches; ++m)
      for (int stage = 0; stage < s.stages(); ++stage) {
        const Seat seat = s.seat(m, stage);
        EXPECT_EQ(s.stage_of(seat.rank, seat.chunk), stage) << kind;
      }
  }
}

TEST(Schedule, WritesInstructionsAsPeopleDo) {
  EXPECT_EQ(to_text(Instruction{Op::overlapped, 0, 1, 4, 2}, 2), "F4.0&B2.1");
  EXPECT_EQ(to_text(Instruction{Op::weight, 0, 0, 7, 0}, 1), "W7");
  EXPECT_EQ(to_text(Instruction{Op::optimizer}, 1), "O");
}
}  // namespace
}  // namespace moesim::schedule
