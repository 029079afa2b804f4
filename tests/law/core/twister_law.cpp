// The fast generator against the standard's own, which is the reference.
#include "core/twister.h"

#include <gtest/gtest.h>

#include <random>

namespace moesim::core {
namespace {

TEST(TwisterLaw, EveryWordIsTheStandards) {
  for (std::uint64_t seed :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{5489}, UINT64_MAX, std::uint64_t{1} << 63}) {
    Twister ours(seed);
    std::mt19937_64 standards(seed);
    for (int i = 0; i < 312 * 7 + 5; ++i) ASSERT_EQ(ours(), standards()) << "seed " << seed << ", word " << i;
  }
}

// The standard names one word of its generator, [rand.predef]: the 10,000th of the default seed.
TEST(TwisterLaw, TheTenThousandthWordIsTheOneTheStandardNames) {
  Twister twister(5489);
  for (int i = 1; i < 10000; ++i) twister();
  EXPECT_EQ(twister(), 9981545732273789042u);
}
}  // namespace
}  // namespace moesim::core
