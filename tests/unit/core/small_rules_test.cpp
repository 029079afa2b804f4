// The rules that are written once for all: rounding a quotient up, and mixing bits.
#include <gtest/gtest.h>

#include "core/ceil_div.h"
#include "core/splitmix.h"

namespace moesim::core {
namespace {
TEST(CeilDiv, RoundsUpInTheTypeOfWhatIsDivided) {
  static_assert(ceil_div(0, 4) == 0 && ceil_div(1, 4) == 1 && ceil_div(4, 4) == 1 && ceil_div(5, 4) == 2);
  static_assert(std::is_same_v<decltype(ceil_div(std::int64_t{1}, 128)), std::int64_t>);
  EXPECT_EQ(ceil_div((std::int64_t{1} << 40) + 1, 2), (std::int64_t{1} << 39) + 1);
}

// The first numbers of SplitMix64 from state 0 and 1234567, as published with its C source (Vigna, splitmix64.c).
TEST(SplitMix, IsThePublishedOne) {
  EXPECT_EQ(split_mix(kSplitMixStep), 0xe220a8397b1dcdafu);
  EXPECT_EQ(split_mix(2 * kSplitMixStep), 0x6e789e6aa1b965f4u);
  EXPECT_EQ(split_mix(1234567 + kSplitMixStep), 6457827717110365317u);
}
}  // namespace
}  // namespace moesim::core
