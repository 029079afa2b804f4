// What an estimate of a passes study counts: figures worked out in the head.
#include <gtest/gtest.h>

#include "passes/passes.h"

namespace moesim::passes {
namespace {
TEST(PassesEstimate, CountsSixEventsAMoeLayerAndTwoADenseOne) {
  // 32 GPUs, 5 steps, 58 MoE layers with a shared expert and 3 dense ones: 32 x 5 x (58 x 6 + 3 x 2) = 56,640.
  const PassCounts quickstart{.gpus = 32, .layers = 61, .moe_layers = 58, .experts = 256, .steps = 5, .shared = true};
  EXPECT_DOUBLE_EQ(estimate(quickstart, false).events, 56640);
}

TEST(PassesEstimate, SpansAreHeldAndNamed) {
  const PassCounts n{.gpus = 10, .layers = 1, .moe_layers = 0, .experts = 0, .steps = 1e6};
  const Estimate without = estimate(n, false), with = estimate(n, true);
  EXPECT_DOUBLE_EQ(with.bytes() - without.bytes(), 1e6 * 10 * 2 * 200);
  EXPECT_EQ(with.largest().key, "passes.decode.steps");
}

TEST(PassesEstimate, ExchangesTakeTheSquareOfTheGpus) {
  PassCounts n{.gpus = 100'000, .layers = 1, .moe_layers = 0, .experts = 0, .steps = 1};
  EXPECT_GT(estimate(n, false).bytes(), 1.6e11);
  EXPECT_EQ(estimate(n, false).largest().key, "passes.expert_parallel");
}
}  // namespace
}  // namespace moesim::passes
