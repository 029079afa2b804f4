// What each rank of a small pipeline does, in order.  These programs are compared with their papers by hand once; the
// laws (every micro-batch passes every stage once, in an order that ends) hold for all shapes.
#include <gtest/gtest.h>

#include "schedule/pipelines/pipeline.h"

namespace moesim::schedule {
namespace {
std::vector<std::string> programs(const std::string& kind, int ranks, int micro_batches) {
  const Config config = Config::from_text("schedule: " + kind, "test.yaml");
  const auto policy = pipeline_schedules().make(config.at("schedule"));
  const Schedule schedule = build_schedule(*policy, kind, ranks, micro_batches);
  std::vector<std::string> out;
  for (const auto& program : schedule.programs) {
    std::string& line = out.emplace_back();
    for (const Instruction& i : program) line += (line.empty() ? "" : " ") + to_text(i, schedule.chunks);
  }
  return out;
}

TEST(Golden, OneForwardOneBackward) {
  EXPECT_EQ(programs("1f1b", 3, 4), (std::vector<std::string>{"F0 F1 F2 B0 F3 B1 B2 B3 O", "F0 F1 B0 F2 B1 F3 B2 B3 O",
                                                              "F0 B0 F1 B1 F2 B2 F3 B3 O"}));
}
TEST(Golden, ZeroBubbleH1) {
  EXPECT_EQ(programs("zb_h1", 3, 4),
            (std::vector<std::string>{"F0 F1 F2 I0 W0 F3 I1 W1 I2 W2 I3 W3 O", "F0 F1 I0 F2 I1 W0 F3 I2 W1 I3 W2 W3 O",
                                      "F0 I0 F1 I1 F2 I2 W0 F3 I3 W1 W2 W3 O"}));
}
TEST(Golden, DualPipe) {
  EXPECT_EQ(programs("dualpipe", 2, 4), (std::vector<std::string>{"F0.0 F2.1 F1.0 B2.1 F3.1&B0.0 B3.1 I1.0 W1.0 O",
                                                                  "F2.1 F0.0 F3.1 B0.0 F1.0&B2.1 B1.0 I3.1 W3.1 O"}));
}
}  // namespace
}  // namespace moesim::schedule
