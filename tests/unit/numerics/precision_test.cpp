#include "numerics/pass/precision.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/random.h"
#include "formats/number_formats.h"
#include "numerics/algebra/rounding.h"

namespace moesim::numerics {
namespace {
TEST(Rounding, Bf16KeepsEightBitsTiesToEven) {
  EXPECT_EQ(round_to_bf16(1.0F), 1.0F);
  EXPECT_EQ(round_to_bf16(1.0F + 0x1p-8F), 1.0F);              // half a step: down to the even 1
  EXPECT_EQ(round_to_bf16(1.0F + 0x1.8p-7F), 1.0F + 0x1p-6F);  // one and a half: up to the even second step
  EXPECT_EQ(round_to_bf16(1.0F + 0x1.02p-8F), 1.0F + 0x1p-7F);
  EXPECT_EQ(round_to_bf16(-3.14159265F), -3.140625F);  // 1.5703125 * 2
  EXPECT_EQ(to_bf16(-3.14159265F), 0xC049);
}

TEST(Rounding, E4m3ByHand) {
  EXPECT_EQ(round_to_e4m3(1.0F), 1.0F);
  EXPECT_EQ(round_to_e4m3(1.0625F), 1.0F);   // between 1 and 1.125: even is 1
  EXPECT_EQ(round_to_e4m3(1.1875F), 1.25F);  // between 1.125 and 1.25: even is 1.25
  EXPECT_EQ(round_to_e4m3(1.07F), 1.125F);
  EXPECT_EQ(round_to_e4m3(447.0F), 448.0F);
  EXPECT_EQ(round_to_e4m3(432.0F), 416.0F + 32.0F);  // between 416 (odd) and 448 (even)
  EXPECT_EQ(round_to_e4m3(1e6F), 448.0F);
  EXPECT_EQ(round_to_e4m3(-1e6F), -448.0F);
  EXPECT_EQ(round_to_e4m3(0x1p-9F), 0x1p-9F);    // the smallest
  EXPECT_EQ(round_to_e4m3(0x1p-10F), 0.0F);      // half of it: even is 0
  EXPECT_EQ(round_to_e4m3(0x1.8p-9F), 0x1p-8F);  // one and a half
  EXPECT_EQ(round_to_e4m3(0x1.fp-7F), 0x1p-6F);  // the largest subnormal is 7/8 of that
  EXPECT_EQ(to_e4m3(448.0F), 0x7E);
  EXPECT_EQ(to_e4m3(-1.0F), 0xB8);  // sign, exponent 7, fraction 0
  EXPECT_EQ(to_e4m3(0x1p-9F), 0x01);
}

TEST(Rounding, EveryStoredValueStaysItself) {
  for (unsigned bits = 0; bits < 256; ++bits) {
    if ((bits & 0x7F) == 0x7F) continue;
    EXPECT_EQ(to_e4m3(formats::from_e4m3(std::uint8_t(bits))), bits);
  }
  for (unsigned bits = 0; bits < 65536; ++bits) {
    if ((bits & 0x7C00) != 0x7C00) {
      EXPECT_EQ(to_fp16(formats::from_fp16(std::uint16_t(bits))), bits);
    }
    if ((bits & 0x7F80) != 0x7F80) {
      EXPECT_EQ(to_bf16(formats::from_bf16(std::uint16_t(bits))), bits);
    }
  }
}

TEST(Rounding, TheNearestE4m3ValueIsFound) {
  Random random(1, "e4m3");
  for (int i = 0; i < 20000; ++i) {
    const auto x = float((random.uniform() - 0.5) * std::exp2(random.uniform() * 22 - 11));
    float nearest = 0;
    for (unsigned bits = 0; bits < 256; ++bits)
      if ((bits & 0x7F) != 0x7F && std::fabs(formats::from_e4m3(std::uint8_t(bits)) - x) < std::fabs(nearest - x))
        nearest = formats::from_e4m3(std::uint8_t(bits));
    EXPECT_EQ(std::fabs(round_to_e4m3(x) - x), std::fabs(nearest - x)) << x;
  }
}

TEST(Fp8, TilesAndBlocksHaveScalesOfTheirOwn) {
  // two rows, 130 columns: a full tile and one of two values
  std::vector<float> x(2 * 130, 0.5F);
  x[0] = 448, x[129] = -896, x[130] = 0;
  std::fill(x.begin() + 130, x.begin() + 130 + 128, 0.0F);
  std::vector<float> q(x.size()), scales(4);
  quantise_activations({x.data(), 2, 130, 130}, q.data(), scales.data());
  EXPECT_EQ(scales, (std::vector<float>{1, 2, 1, 0.5F / 448}));
  EXPECT_EQ(q[0], 448);
  EXPECT_EQ(q[1], 0.5F);
  EXPECT_EQ(q[128], 0.25F);
  EXPECT_EQ(q[129], -448);
  EXPECT_EQ(q[130], 0);
  std::vector<float> block_scales(2);
  quantise_weights({x.data(), 2, 130, 130}, q.data(), block_scales.data());
  EXPECT_EQ(block_scales, (std::vector<float>{1, 2}));
}

TEST(Fp8, ExactInputsGiveTheExactProduct) {
  // small integers whose largest in every tile is 448 stay as they are; their sums are exact in FP32 and BF16
  std::vector<float> x(256), w(2 * 256);
  x[0] = 448, x[1] = 2, x[128] = 448, x[200] = 3;
  w[0] = 448, w[1] = 8, w[128] = 448, w[256 + 1] = 4, w[256 + 200] = 5;
  w[0] = 0, w[2] = 448, w[128] = 0, w[129] = 448;
  std::vector<float> y(2);
  for (const Precision p : {Precision::fp32, Precision::bf16, Precision::fp8, Precision::fp8_limited}) {
    arithmetic_of(p).product({x.data(), 1, 256, 256}, {w.data(), 2, 256, 256}, LinearRole::expert, y.data(), 2);
    EXPECT_EQ(y[0], 16) << name_of(p);
    EXPECT_EQ(y[1], 23) << name_of(p);
  }
}

TEST(Fp8, LimitedSumsCutAtFourteenBits) {
  std::vector<float> a(64), b(64, 1.0F);
  a[0] = 1, a[1] = 0x1p-6F, a[2] = 0x1p-9F;
  b[2] = 0x1p-4F;  // 2^-13: the last bit kept beside 1
  EXPECT_EQ(limited_dot(a.data(), b.data(), 64), 1 + 0x1p-6F + 0x1p-13F);
  b[2] = 0x1p-5F;  // 2^-14 is lost, and its negative as well
  EXPECT_EQ(limited_dot(a.data(), b.data(), 64), 1 + 0x1p-6F);
  a[2] = -a[2];
  EXPECT_EQ(limited_dot(a.data(), b.data(), 64), 1 + 0x1p-6F);
  a[0] = 0, a[1] = 0;  // alone it stays
  EXPECT_EQ(limited_dot(a.data(), b.data(), 64), -0x1p-14F);
  a[40] = 1;  // the sum so far is cut when a larger group comes
  EXPECT_EQ(limited_dot(a.data(), b.data(), 64), 1);
}

TEST(Fp8, LimitedSumsAreOfTheirOwnProductsAlone) {
  const std::vector<float> a{1, 1, 1, 64}, b(4, 1.0F);
  EXPECT_EQ(limited_dot(a.data(), b.data(), 3), 3);
  EXPECT_EQ(limited_dot(a.data(), b.data(), 0), 0);
  // Where the large ones cancel, the last bit that was kept beside them is left, and nothing below it.
  const std::vector<float> up{1, -1, 0x1p-6F}, kept{1, 1, 0x1p-7F}, lost{1, 1, 0x1p-8F};
  EXPECT_EQ(limited_dot(up.data(), kept.data(), 3), 0x1p-13F);
  EXPECT_EQ(limited_dot(up.data(), lost.data(), 3), 0);
}

TEST(Fp8, EveryRowAndOutputHasItsOwnLimitedSum) {
  // 448 first, so that the rest stay as they are: rows of 448 x 0 + i x o.
  std::vector<float> x(3 * 2), w(2 * 2), y(3 * 2);
  for (int r = 0; r < 3; ++r) x[std::size_t(2 * r)] = 448, x[std::size_t(2 * r + 1)] = float(r + 1);
  w[1] = 448, w[3] = 224;
  arithmetic_of(Precision::fp8_limited)
      .product({x.data(), 3, 2, 2}, {w.data(), 2, 2, 2}, LinearRole::expert, y.data(), 2);
  EXPECT_EQ(y, (std::vector<float>{448, 224, 896, 448, 1344, 672}));
}

/// Relative errors of sums of 4096 products of normal numbers against double, largest over some rows.
double largest_error(bool promoted) {
  Random random(3, "limited");
  double worst = 0;
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<float> a(4096), b(4096);
    double exact = 0, size = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      a[i] = round_to_e4m3(float(random.normal()) * 100), b[i] = round_to_e4m3(float(random.normal()) * 100);
      exact += double(a[i]) * b[i], size += std::fabs(double(a[i]) * b[i]);
    }
    double sum = 0;
    for (std::size_t k = 0; promoted && k < a.size(); k += 128) sum += double(limited_dot(&a[k], &b[k], 128));
    if (!promoted) sum = double(limited_dot(a.data(), b.data(), 4096));
    worst = std::max(worst, std::fabs(sum - exact) / std::max(std::fabs(exact), size / 64));
  }
  return worst;
}

TEST(Fp8, PromotionAfter128ProductsKeepsTheErrorSmall) {
  const double without = largest_error(false), with = largest_error(true);
  EXPECT_GT(without, 0.003);  // the report found "nearly 2 %" on its own data
  EXPECT_LT(without, 0.05);
  EXPECT_LT(with, without / 2);
  RecordProperty("without", std::to_string(without));
  RecordProperty("with", std::to_string(with));
}
}  // namespace
}  // namespace moesim::numerics
