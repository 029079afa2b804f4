#include "numerics/pass/rope.h"

#include <gtest/gtest.h>

namespace moesim::numerics {
namespace {
// Base 10,000 and 8 dimensions turn by 1, 0.1, 0.01 and 0.001 a position: waves of 6.28, 62.8, 628 and 6,283.
constexpr double kTurns[] = {1, 0.1, 0.01, 0.001};

TEST(Rope, Llama3KeepsShortWavesSlowsLongOnesAndBlendsBetween) {
  const spec::RopeShape r{.scaling = "llama3", .factor = 8, .original_positions = 2000};  // long: 2,000; short: 500
  const std::vector<double> got = rope_frequencies(r, 8);
  EXPECT_NEAR(got[0], kTurns[0], 1e-12);
  EXPECT_NEAR(got[1], kTurns[1], 1e-12);
  const double kept = (2000 * 0.01 / (2 * 3.141592653589793) - 1) / 3;  // 0.7277
  EXPECT_NEAR(got[2], 0.01 * (kept + (1 - kept) / 8), 1e-12);
  EXPECT_NEAR(got[3], kTurns[3] / 8, 1e-12);
}

// Base 100: with 62,832 positions a wave of dimension d turns 10,000 / 100^(d / 4) times: 1,000 at 2, once at 8, beyond
// the last dimension, 7.  The fourth pair is a fifth of the way.
TEST(Rope, YarnEndsItsRampAtTheLastDimension) {
  const spec::RopeShape r{.theta = 100,
                          .scaling = "yarn",
                          .factor = 4,
                          .original_positions = 62832,
                          .beta_fast = 1000,
                          .beta_slow = 1,
                          .truncate = false};
  const std::vector<double> plain = rope_frequencies({.theta = 100}, 8), got = rope_frequencies(r, 8);
  for (const std::size_t pair : {0U, 1U, 2U}) EXPECT_NEAR(got[pair] / plain[pair], 1, 1e-5);
  EXPECT_NEAR(got[3] / plain[3], 0.8 + 0.2 / 4, 1e-5);
}
}  // namespace
}  // namespace moesim::numerics
