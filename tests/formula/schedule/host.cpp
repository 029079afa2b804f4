// Kernels that the host launches one by one: pieces of whole seconds.
#include <gtest/gtest.h>

#include "formula/schedule/unit_costs.h"

namespace moesim::schedule {
namespace {
Time& of(std::array<Time, kPieces>& all, Piece piece) { return all[std::size_t(piece)]; }
Time waited(const StepOutcome& out) { return out.gpus[0].spent[std::size_t(Spent::host)]; }

TEST(Host, ThePaceIsThatOfTheSlowerOfHostAndGpu) {
  Engine engine;
  UnitCosts costs(engine);
  const Schedule two = make("1f1b", 1, 2);
  of(costs.times, Piece::attention) = 1_s;
  of(costs.hosts, Piece::attention) = 3_s;
  StepOutcome out = run(two, costs);
  EXPECT_EQ(out.step, 6_s);
  EXPECT_EQ(waited(out), 4_s);
  of(costs.times, Piece::attention) = 4_s;
  out = run(two, costs);
  EXPECT_EQ(out.step, 8_s);
  EXPECT_EQ(waited(out), 0_s);
  EXPECT_EQ(sum(out.gpus[0]), out.step);
}

TEST(Host, RunsAheadUnderLongKernels) {
  Engine engine;
  UnitCosts costs(engine);
  of(costs.times, Piece::attention) = 1_s, of(costs.hosts, Piece::attention) = 3_s;
  of(costs.times, Piece::shared) = 5_s, of(costs.hosts, Piece::shared) = 1_s;
  // Attention ends at 3, the FFN at 8; the next attention, launched by 7, at 9; the FFN at 14.
  const StepOutcome out = run(make("1f1b", 1, 2), costs);
  EXPECT_EQ(out.step, 14_s);
  EXPECT_EQ(waited(out), 2_s);
}

TEST(Host, LosesItsLeadWhereItReadsCounts) {
  Engine engine;
  UnitCosts costs(engine);
  costs.moe = true;
  of(costs.times, Piece::attention) = 5_s, of(costs.hosts, Piece::attention) = 1_s;
  of(costs.times, Piece::experts) = 1_s, of(costs.hosts, Piece::experts) = 3_s;
  // Launched by 4, before the experts' rows are there at 5.
  EXPECT_EQ(run(make("1f1b", 1, 1), costs).step, 6_s);
  // Counts are known at 5: launched by 8.
  costs.reads = true;
  const StepOutcome out = run(make("1f1b", 1, 1), costs);
  EXPECT_EQ(out.step, 8_s);
  EXPECT_EQ(waited(out), 2_s);
  EXPECT_EQ(sum(out.gpus[0]), out.step);
}
}  // namespace
}  // namespace moesim::schedule
