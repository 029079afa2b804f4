// A shared expert and gradients of weights beside an exchange, or in turn with it.
#include <gtest/gtest.h>

#include "formula/schedule/unit_costs.h"

namespace moesim::schedule {
namespace {
struct Took {
  Time step{}, exposed{};
  bool operator==(const Took&) const = default;
};
Took took(Beside beside, bool moe = true, const char* kind = "gpipe") {
  Engine engine;
  UnitCosts costs(engine);
  costs.moe = moe;
  costs.layers = 2;
  costs.exchange_time = 1_s;
  for (Time& t : costs.times) t = 1_s;
  const StepOutcome out = run(make(kind, 1, 1), costs, block_templates("none", beside));
  return {out.step, out.gpus[0].spent[std::size_t(Spent::exposed_communication)]};
}

// Four exchanges of 1 s in each of two layers, ten pieces of 1 s.
TEST(Turns, WhatIsInTurnHidesNoExchange) {
  // Dispatch lies beside the shared expert, combine_back beside its gradient, dispatch_back beside those of weights.
  EXPECT_EQ(took({true, true}), (Took{2 * 11_s, 2 * 1_s}));
  // combine_back beside both gradients of the shared expert; nothing beside dispatch_back.
  EXPECT_EQ(took({true, false}), (Took{2 * 12_s, 2 * 2_s}));
  // Nothing beside dispatch, nor beside combine_back but, in the second layer, the first one's weights of attention;
  // the experts' weights beside dispatch_back.
  EXPECT_EQ(took({false, true}), (Took{2 * 13_s - 1_s, 2 * 3_s - 1_s}));
  EXPECT_EQ(took({false, false}), (Took{2 * 14_s, 2 * 4_s}));
}

TEST(Turns, DenseLayersHaveNothingToHide) {
  for (const bool shared : {false, true})
    for (const bool weights : {false, true}) EXPECT_EQ(took({shared, weights}, false), (Took{2 * 10_s, 0_s}));
}
}  // namespace
}  // namespace moesim::schedule
