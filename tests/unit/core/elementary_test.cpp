#include "core/elementary.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <random>

namespace moesim::core {
namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// How far `got` is from the value that has 11 more bits, in units of got's last place.
double ulps(double got, long double wanted) {
  int exponent = 0;
  std::frexp(got, &exponent);
  return double(std::abs((static_cast<long double>(got) - wanted) * std::ldexp(1.0L, 53 - exponent)));
}

/// The largest error over 200,000 draws from [low, high).
double worst(double low, double high, const std::function<double(double)>& ours,
             const std::function<long double(long double)>& reference) {
  std::mt19937_64 random(1);
  double out = 0;
  for (int i = 0; i < 200'000; ++i) {
    const double x = low + (high - low) * double(random() >> 11) * 0x1p-53;
    out = std::max(out, ulps(ours(x), reference(x)));
  }
  return out;
}

TEST(Elementary, ErrorsAreBelowTheirBoundsInUnitsOfTheLastPlace) {
  const auto exp = [](long double x) { return std::exp(x); };
  const auto log = [](long double x) { return std::log(x); };
  const auto log1p = [](long double x) { return std::log1p(x); };
  const auto sine = [](long double x) { return std::sin(x); };
  const auto cosine = [](long double x) { return std::cos(x); };
  for (const double most : {1e-9, 0.3, 1.0, 20.0, 700.0}) EXPECT_LT(worst(-most, most, exp_of, exp), 0.7) << most;
  for (const double most : {0.9, 1.1, 3.0, 1e9, 1e300}) EXPECT_LT(worst(most / 2, most, log_of, log), 1) << most;
  EXPECT_LT(worst(0.999, 1.001, log_of, log), 1);
  for (const double most : {1e-12, 0.01, 0.5, 0.999}) EXPECT_LT(worst(-most, most, log1p_of, log1p), 1) << most;
  EXPECT_LT(worst(0, 1e6, log1p_of, log1p), 1);
  EXPECT_LT(worst(0.01, 1e9, log2_of, [](long double x) { return std::log2(x); }), 1.5);
  for (const double most : {0.7, 7.0, 1e4, 1e8}) {
    EXPECT_LT(worst(-most, most, sin_of, sine), 0.8) << most;
    EXPECT_LT(worst(-most, most, cos_of, cosine), 0.8) << most;
  }
}

TEST(Elementary, PowersAreWithinSevenTenthsOfTheLastPlace) {
  for (const double y : {-2.5, -1.0, -0.3, 1.0 / 3, 0.5, 1.0, 1.7, 2.0, 3.0, 15.0, 70.0})
    EXPECT_LT(worst(
                  1e-4, 1e4, [y](double x) { return pow_of(x, y); },
                  [y](long double x) { return std::pow(x, static_cast<long double>(y)); }),
              0.7)
        << y;
}

TEST(Elementary, WhatIsExactIsExact) {
  EXPECT_EQ(exp_of(0), 1);
  EXPECT_EQ(exp_of(1), 2.718281828459045);
  EXPECT_EQ(log_of(1), 0);
  EXPECT_EQ(log1p_of(0), 0);
  EXPECT_EQ(sin_of(0), 0);
  EXPECT_EQ(cos_of(0), 1);
  for (int k = -1022; k <= 1023; ++k) EXPECT_EQ(log2_of(std::ldexp(1.0, k)), k);
  for (const double x : {0.1, 3.0, 12345.678, 1e-200}) EXPECT_EQ(pow_of(x, 1), x);
  for (const double x : {0.1, 3.0, 12345.678, 1e100}) EXPECT_EQ(pow_of(x, 2), x * x);
  for (int k = 0; k < 20; ++k) EXPECT_EQ(pow_of(3, k), double(std::int64_t(std::llround(std::pow(3.0L, k)))));
}

TEST(Elementary, OutsideTheirDomainsTheyGiveWhatCPrescribes) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(exp_of(710), kInfinity);
  EXPECT_EQ(exp_of(-746), 0);
  EXPECT_EQ(exp_of(-kInfinity), 0);
  EXPECT_EQ(exp_of(-745), 0x1p-1074);
  EXPECT_TRUE(std::isnan(exp_of(none)));
  EXPECT_EQ(log_of(0), -kInfinity);
  EXPECT_EQ(log_of(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(log_of(-1)));
  EXPECT_EQ(log_of(0x1p-1074), std::log(0x1p-1074));
  EXPECT_EQ(log1p_of(-1), -kInfinity);
  EXPECT_TRUE(std::isnan(log1p_of(-2)));
  EXPECT_TRUE(std::isnan(sin_of(kInfinity)));
  EXPECT_THROW(sin_of(0x1p51), std::logic_error);
  for (const double x : {-kInfinity, -2.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.0, kInfinity})
    for (const double y : {-kInfinity, -3.0, -2.0, -0.5, 0.0, 0.5, 2.0, 3.0, kInfinity}) {
      const double wanted = std::pow(x, y), got = pow_of(x, y);
      if (std::isnan(wanted))
        EXPECT_TRUE(std::isnan(got)) << x << " " << y;
      else
        EXPECT_DOUBLE_EQ(got, wanted) << x << " " << y;
    }
  EXPECT_EQ(pow_of(10, 400), kInfinity);
  EXPECT_EQ(pow_of(10, -400), 0);
}

TEST(Elementary, TheGammaFunctionGoesThroughTheFactorials) {
  double factorial = 1;
  for (int n = 1; n < 20; ++n) {
    EXPECT_NEAR(gamma_function(n) / factorial, 1, 1e-13) << n;
    factorial *= n;
  }
  EXPECT_NEAR(gamma_function(1.5), 0.886226925452758, 1e-13);  // sqrt(pi) / 2
}

// The errors above would not show another last bit.
TEST(Elementary, EveryMachineGivesTheseBits) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto take = [&](double x) { hash = (hash ^ std::bit_cast<std::uint64_t>(x)) * 0x100000001b3; };
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const double u = double(random() >> 11) * 0x1p-53, x = 40 * u;
    for (const double value : {exp_of(x - 20), log_of(x), log1p_of(-u), log2_of(x), pow_of(x, 1.7), sin_of(x),
                               cos_of(1e5 * x), gamma_function(1 + u)})
      take(value);
  }
  EXPECT_EQ(hash, 18353821516875689412ULL);
}
}  // namespace
}  // namespace moesim::core
