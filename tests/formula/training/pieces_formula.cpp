// Tensor parallelism that goes in step with its products: what stays exposed, in whole seconds.
#include <gtest/gtest.h>

#include "core/random.h"
#include "training/pieces.h"

namespace moesim::training {
namespace {
TEST(ExposedInParts, TheFirstPartHasNothingBesideIt) {
  // A gather of 4 s in 4 parts into a product of 8 s: the first part, 1 s.
  EXPECT_EQ(exposed_in_parts(4_s, 8_s, 4), 1_s);
  // A gather of 8 s and a product of 4 s: when the last part is there, a quarter of the product is left.
  EXPECT_EQ(exposed_in_parts(8_s, 4_s, 4), 5_s);
  EXPECT_EQ(exposed_in_parts(4_s, 4_s, 2), 2_s);
  EXPECT_EQ(exposed_in_parts(4_s, 0_s, 2), 4_s);
  EXPECT_EQ(exposed_in_parts(0_s, 4_s, 2), 0_s);
}

TEST(ExposedInParts, HidingNeverExceedsTheCover) {
  Random random(3, "parts");
  for (int i = 0; i < 1000; ++i) {
    const Time moved = 1_ns * std::int64_t(random.below(1000)), product = 1_ns * std::int64_t(random.below(1000));
    const int parts = 1 + int(random.below(8));
    const Time exposed = exposed_in_parts(moved, product, parts);
    EXPECT_GE(exposed, Time{0});
    EXPECT_LE(exposed, moved);
    EXPECT_LE(moved - exposed, product);
  }
}
}  // namespace
}  // namespace moesim::training
