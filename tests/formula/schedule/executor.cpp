// The executor on unit hardware: pieces of whole seconds, exchanges that are plain barriers.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <numeric>

#include "formula/schedule/unit_costs.h"
#include "schedule/pipelines/timing.h"

namespace moesim::schedule {
namespace {
TEST(Executor, AgreesWithTheClosedFormsForEverySchedule) {
  for (const char* kind : {"gpipe", "1f1b", "interleaved_1f1b", "zb_h1", "zb_v", "dualpipe", "dualpipev"})
    for (int ranks : {2, 4, 8})
      for (int f : {1, 2}) {
        Engine engine;
        UnitCosts costs(engine);
        costs.times[std::size_t(Piece::attention)] = 1_s * f;
        costs.times[std::size_t(Piece::attention_back)] = 2_s;
        costs.times[std::size_t(Piece::attention_weight)] = 1_s;
        ScheduleCosts plain;
        plain.forward = 1_s * f;
        plain.backward_input = 2_s;
        plain.weight = 1_s;
        // Input gradients travel before the weights' are done only where the schedule splits them.
        const Schedule s = make(kind, ranks, 3 * ranks);
        const ScheduleTiming timing = time_schedule(s, plain);
        const StepOutcome out = run(s, costs, block_templates("none"));
        SCOPED_TRACE(fmt::format("{} {} F{}", kind, ranks, f));
        EXPECT_EQ(out.step, timing.end);
        for (const GpuOutcome& g : out.gpus) {
          EXPECT_EQ(sum(g), out.step);
          EXPECT_EQ(g.spent[std::size_t(Spent::bubble)], timing.idle(g.seat.rank));
        }
      }
}

TEST(Executor, SaysWhenEachRankHadEachInstruction) {
  for (const char* kind : {"gpipe", "1f1b", "zb_h1", "dualpipe"}) {
    SCOPED_TRACE(kind);
    Engine engine;
    UnitCosts costs(engine);
    for (Time& t : costs.times) t = 1_s;
    const Schedule s = make(kind, 4, 8);
    const StepOutcome out = run(s, costs, block_templates("none"));
    for (const GpuOutcome& g : out.gpus) {
      std::vector<Instruction> had;
      Time last{}, busy{};
      for (const InstructionTime& t : out.instructions) {
        if (t.rank != g.seat.rank) continue;
        EXPECT_GE(t.start, last);  // one after the other
        EXPECT_GE(t.end, t.start);
        last = t.end;
        busy += t.end - t.start;
        had.push_back(t.instruction);
      }
      EXPECT_EQ(had, s.programs[std::size_t(g.seat.rank)]);
      EXPECT_LE(last, out.step);
      EXPECT_EQ(busy, out.step - g.spent[std::size_t(Spent::bubble)]);
    }
  }
}

TEST(Executor, ExposesAnExchangeThatNothingHides) {
  Engine engine;
  UnitCosts costs(engine);
  costs.moe = true;
  costs.layers = 2;
  costs.exchange_time = 1_s;
  for (Time& t : costs.times) t = 1_s;
  // One rank, one micro-batch.  F of a layer: attention 1, shared beside dispatch 1, experts 1, combine 1, merge 1.
  // B: combine_back 1 beside shared, experts 1, dispatch_back 1 beside two weight pieces (2), attention 1, its
  // weight 1.
  const StepOutcome out = run(make("gpipe", 1, 1), costs);
  EXPECT_EQ(out.step, 2 * (5_s + 6_s));
  const auto& spent = out.gpus[0].spent;
  EXPECT_EQ(spent[std::size_t(Spent::forward)], 8_s);
  EXPECT_EQ(spent[std::size_t(Spent::backward)], 12_s);
  EXPECT_EQ(spent[std::size_t(Spent::exposed_communication)], 2_s);
  EXPECT_EQ(spent[std::size_t(Spent::bubble)], 0_s);
}

TEST(Executor, OverlappedPairsHideTheirExchanges) {
  // A wave on one rank: both its chunks; F&B pairs run with every exchange beside compute of the other micro-batch.
  const auto step = [](const char* overlap, Time exchange) {
    Engine engine;
    UnitCosts costs(engine);
    costs.moe = true;
    costs.layers = 4;
    costs.exchange_time = exchange;
    for (Time& t : costs.times) t = 1_s;
    const StepOutcome out = run(make("dualpipe", 2, 16), costs, block_templates(overlap));
    Time exposed{};
    for (const GpuOutcome& g : out.gpus) exposed += g.spent[std::size_t(Spent::exposed_communication)];
    return std::pair(out.step, exposed);
  };
  EXPECT_EQ(step("dualpipe", 0_s).first, step("none", 0_s).first);
  EXPECT_LT(step("dualpipe", 1_s).first, step("none", 1_s).first);
  EXPECT_LT(step("dualpipe", 1_s).second, step("none", 1_s).second);
}

TEST(Executor, AStragglerHoldsItsGroupAtEveryExchange) {
  Engine engine;
  UnitCosts costs(engine);
  costs.moe = true;
  costs.members = 3;
  costs.exchange_time = 1_s;
  costs.times[std::size_t(Piece::attention)] = 1_s;
  costs.times[std::size_t(Piece::experts)] = 1_s;
  costs.skew = [](const PieceRef& p, Time t) { return p.seat.member == 1 && t.v > 0 ? t * 4 : t; };
  const StepOutcome out = run(make("gpipe", 1, 1), costs);
  // Member 1: attention 4, dispatch 1, experts 4, combine 1, two exchanges back 2.  The others wait 3 + 3 for it.
  EXPECT_EQ(out.step, 12_s);
  EXPECT_EQ(out.gpus[1].communicating, 4_s);
  EXPECT_EQ(out.gpus[0].communicating, 10_s);  // with 3 + 3 of waiting
  EXPECT_EQ(out.gpus[0].spent[std::size_t(Spent::exposed_communication)], 10_s);
  EXPECT_EQ(out.gpus[1].spent[std::size_t(Spent::exposed_communication)], 4_s);
}

TEST(Executor, EndsTheStepWithReductionNormOptimizerAndGather) {
  for (bool overlapped : {false, true}) {
    Engine engine;
    UnitCosts costs(engine);
    costs.times[std::size_t(Piece::attention)] = 1_s;
    costs.times[std::size_t(Piece::attention_back)] = 1_s;
    costs.reduction_time = 5_s;
    costs.norm_time = 1_s;
    costs.optimizer_time = 2_s;
    costs.gather_time = 3_s;
    costs.overlapped = overlapped;
    const StepOutcome out = run(make("gpipe", 1, 2), costs);
    // Gather 3 before or after, F F B B 4, reduction 5, norm 1, optimiser 2.
    EXPECT_EQ(out.step, 15_s);
    EXPECT_EQ(out.gpus[0].spent[std::size_t(Spent::optimizer)], 2_s);
    EXPECT_EQ(out.gpus[0].spent[std::size_t(Spent::exposed_communication)], 9_s);
  }
}

TEST(Executor, ReductionsWaitForEveryReplica) {
  Engine engine;
  UnitCosts costs(engine);
  costs.times[std::size_t(Piece::attention)] = 1_s;
  costs.reduction_time = 1_s;
  costs.skew = [](const PieceRef& p, Time t) { return p.seat.replica == 1 ? t * 3 : t; };
  const StepOutcome out = run(make("gpipe", 1, 2), costs, block_templates(), 2);
  EXPECT_EQ(out.step, 7_s);
  EXPECT_EQ(out.gpus[0].spent[std::size_t(Spent::exposed_communication)], 5_s);
}

TEST(Executor, MemoryFollowsWhatIsInFlight) {
  for (const char* kind : {"gpipe", "1f1b", "zb_h1", "dualpipe"}) {
    Engine engine;
    UnitCosts costs(engine);
    costs.times.fill(1_s);
    costs.kept_bytes = 1_MiB;
    const Schedule s = make(kind, 4, 8);
    const std::vector<int> peaks = peak_in_flight(s);
    for (const GpuOutcome& g : run(s, costs).gpus)
      EXPECT_EQ(g.peak_memory, 1_MiB * peaks[std::size_t(g.seat.rank)]) << kind << " rank " << g.seat.rank;
  }
}

TEST(Executor, RefusesWhatDoesNotFitByOneByteAndTakesWhatFits) {
  Engine engine;
  UnitCosts costs(engine);
  costs.times.fill(1_s);
  costs.kept_bytes = 1_MiB;
  costs.limit = 4_MiB;
  EXPECT_NO_THROW(run(make("1f1b", 4, 8), costs));
  costs.limit = 4_MiB - 1_KiB;
  try {
    run(make("1f1b", 4, 8), costs);
    FAIL() << "fits";
  } catch (const ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find("GPU 0 (stage 0) runs out of memory"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("1.02e-06 GB more than its"), std::string::npos) << e.what();
  }
}
}  // namespace
}  // namespace moesim::schedule
