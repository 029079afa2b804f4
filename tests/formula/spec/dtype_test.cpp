// Bytes of weights in every format, worked out by hand.
#include "spec/dtype.h"

#include <gtest/gtest.h>

namespace moesim::spec {
namespace {
TEST(DtypeFormula, AWeightAndItsScales) {
  EXPECT_EQ(matrix_bytes(3, 5, Dtype::fp32), 60);
  EXPECT_EQ(matrix_bytes(3, 5, Dtype::bf16), 30);
  EXPECT_EQ(matrix_bytes(3, 5, Dtype::fp16), 30);
  EXPECT_EQ(matrix_bytes(256, 129, Dtype::fp8), 256 * 129 + 2 * 2 * 4);  // blocks of 128 x 128
  EXPECT_EQ(matrix_bytes(2, 64, Dtype::fp4), 2 * (32 + 2));
  EXPECT_EQ(matrix_bytes(2, 64, Dtype::nvfp4), 2 * (32 + 4));
  EXPECT_EQ(matrix_bytes(2, 64, Dtype::int8), 2 * (64 + 2));
  EXPECT_EQ(matrix_bytes(2, 256, Dtype::int4), 2 * (128 + 2 * 2));
  EXPECT_EQ(matrix_bytes(2, 64, Dtype::int4_g32), 2 * (32 + 2 * 2));
}
}  // namespace
}  // namespace moesim::spec
