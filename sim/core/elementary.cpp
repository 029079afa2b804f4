#include "core/elementary.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

#include "core/check.h"

// The polynomials of exp, log, sine and cosine are those of FDLIBM 5.3, (C) 1993 Sun Microsystems, Inc.: "Permission to
// use, copy, modify, and distribute this software is freely granted, provided that this notice is preserved."
namespace moesim::core {
namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();
constexpr double kLn2High = 6.93147180369123816490e-01;  // 32 bits, so that whole multiples are exact
constexpr double kLn2Low = 1.90821492927058770002e-10;

/// The sum of both, which is more than one number holds.
struct Pair {
  double high, low;
};
/// a + b exactly.  Source: D. E. Knuth, The Art of Computer Programming, volume 2, section 4.2.2, theorem B.
Pair exact_sum(double a, double b) {
  const double sum = a + b, part = sum - a;
  return {sum, (a - (sum - part)) + (b - part)};
}
/// a * b exactly, for factors below 2^900.  Source: T. J. Dekker, Numerische Mathematik 18 (1971), 224-242.
Pair exact_product(double a, double b) {
  constexpr double kSplit = 134217729;  // 2^27 + 1
  const double product = a * b;
  const double a_high = kSplit * a - (kSplit * a - a), a_low = a - a_high;
  const double b_high = kSplit * b - (kSplit * b - b), b_low = b - b_high;
  return {product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low};
}

/// x * 2^exponent, for results that are not too small to be normal.
double times_power_of_two(double x, int exponent) {
  if (exponent > 1000 || exponent < -1000) return std::ldexp(x, exponent);
  return x * std::bit_cast<double>(std::uint64_t(exponent + 1023) << 52);
}

/// exp(high + low) for |high| < 800 and a low far smaller.
double exp_of_pair(double high, double low) {
  const double turns = high * std::numbers::log2e;
  const int k = int(turns + (turns < 0 ? -0.5 : 0.5));
  const Pair rest = exact_sum(high - k * kLn2High, -k * kLn2Low);
  const double r = rest.high + (rest.low + low), t = r * r;
  const double c =
      r -
      t * (1.66666666666666019037e-01 +
           t * (-2.77777777770155933842e-03 +
                t * (6.61375632143793436117e-05 + t * (-1.65339022054652515390e-06 + t * 4.13813679705723846039e-08))));
  const Pair sum = exact_sum(rest.high, r * c / (2 - c));  // exp(r) - 1
  const Pair all = exact_sum(1, sum.high);
  return times_power_of_two(all.high + (all.low + (sum.low + (rest.low + low))), k);
}

/// x = (1 + f) * 2^k with 1 + f from sqrt(1/2) to sqrt(2).
struct Scaled {
  double f;
  int k;
};
Scaled scaled(double x) {
  constexpr std::uint64_t kMantissa = (std::uint64_t(1) << 52) - 1;
  int k = 0;
  if (x < 0x1p-1022) x *= 0x1p54, k = -54;
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  k += int(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & kMantissa) | (std::uint64_t(1023) << 52));
  if (m > std::numbers::sqrt2) m *= 0.5, ++k;
  return {m - 1, k};
}

/// log(1 + f) + k ln 2 + correction, as FDLIBM adds it up.
double log_of_scaled(Scaled x, double correction) {
  const double f = x.f, half_square = 0.5 * f * f, s = f / (2 + f), z = s * s, w = z * z;
  const double even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
  const double odd =
      z * (6.666666666666735130e-01 +
           w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
  const Pair main = exact_sum(x.k * kLn2High, f);
  return main.high + (main.low + (s * (half_square + (even + odd)) + (x.k * kLn2Low + correction) - half_square));
}

/// What log and its kin give where x is no number above 0.
double log_outside(double x) { return x == 0 ? -kInfinity : x > 0 ? x : kNoNumber; }

/// log(x) to more than 64 bits: 2 atanh(s) with s = f / (2 + f), its series to s^27 and the first two terms in pairs.
Pair precise_log(double x) {
  const auto [f, k] = scaled(x);
  const Pair below = exact_sum(2, f);
  const double s = f / below.high;
  const Pair back = exact_product(s, below.high);
  const double s_low = ((f - back.high) - back.low - s * below.low) / below.high;
  const Pair square = exact_product(s, s);
  const double z = square.high, z_low = square.low + 2 * s * s_low;
  double tail = 2.0 / 27;
  for (const double term :
       {2.0 / 25, 2.0 / 23, 2.0 / 21, 2.0 / 19, 2.0 / 17, 2.0 / 15, 2.0 / 13, 2.0 / 11, 2.0 / 9, 2.0 / 7, 2.0 / 5})
    tail = tail * z + term;
  constexpr double kThirds = 0x1.5555555555555p-1, kThirdsLow = 0x1.5555555555555p-55;  // 2 / 3
  const Pair thirds = exact_product(kThirds, z);
  const Pair factor = exact_sum(thirds.high, thirds.low + kThirdsLow * z + kThirds * z_low + tail * z * z);
  const Pair cubic = exact_product(factor.high, s);
  const double cubic_low = cubic.low + factor.low * s + factor.high * s_low;
  const Pair main = exact_sum(k * kLn2High, 2 * s);
  const Pair all = exact_sum(main.high, cubic.high);
  return {all.high, all.low + (main.low + (2 * s_low + (k * kLn2Low + cubic_low)))};
}

/// An angle in (-pi/4, pi/4], and how many right angles it is from the one asked for, modulo 4.
struct Reduced {
  Pair angle;
  int quarter;
};
Reduced reduced(double x) {
  check(std::abs(x) <= 0x1p50, "an angle of {} has no digit left", x);
  const double n = std::nearbyint(x * (2 / std::numbers::pi));
  constexpr double kHigh = 0x1.921fb54442d18p+0, kMiddle = 0x1.1a62633145c07p-54, kLow = -0x1.f1976b7ed8fbcp-110;
  const Pair high = exact_product(n, kHigh), middle = exact_product(n, kMiddle);
  const Pair first = exact_sum(x - high.high, -high.low);
  const Pair second = exact_sum(first.high, -middle.high);
  const Pair angle = exact_sum(second.high, second.low + (first.low - middle.low - n * kLow));
  return {angle, int(std::int64_t(n) & 3)};
}

double sine_of(Pair angle) {
  const double x = angle.high, z = x * x, cube = z * x;
  const double r =
      8.33333333332248946124e-03 +
      z * (-1.98412698298579493134e-04 +
           z * (2.75573137070700676789e-06 + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)));
  return x - ((z * (0.5 * angle.low - cube * r) - angle.low) - cube * -1.66666666666666324348e-01);
}
double cosine_of(Pair angle) {
  const double x = angle.high, z = x * x, half = 0.5 * z, most = 1 - half;
  const double r = z * (4.16666666666666019037e-02 +
                        z * (-1.38888888888741095749e-03 +
                             z * (2.48015872894767294178e-05 +
                                  z * (-2.75573143513906633035e-07 +
                                       z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)))));
  return most + (((1 - most) - half) + (z * r - x * angle.low));
}

/// |x|^y for a finite x other than 0 and a finite y.
double power_of_size(double x, double y) {
  const Pair log = precise_log(std::abs(x));
  const double rough = y * log.high;
  if (std::isnan(rough)) return kNoNumber;
  if (rough > 710) return kInfinity;
  if (rough < -746) return 0;
  const Pair product = exact_product(y, log.high);
  return exp_of_pair(product.high, product.low + y * log.low);
}
}  // namespace

double exp_of(double x) {
  if (std::isnan(x)) return x;
  if (x > 709.782712893384) return kInfinity;
  if (x < -745.2) return 0;
  return exp_of_pair(x, 0);
}

double log_of(double x) {
  if (!(x > 0 && x < kInfinity)) return log_outside(x);
  return log_of_scaled(scaled(x), 0);
}

double log1p_of(double x) {
  if (!(x > -1 && x < kInfinity)) return log_outside(1 + x);
  if (std::abs(x) < 0x1p-54) return x;
  if (x > -0.29 && x < 0.41) return log_of_scaled({x, 0}, 0);
  const double u = 1 + x;
  const double lost = u > 2 ? 1 - (u - x) : x - (u - 1);
  return log_of_scaled(scaled(u), lost / u);
}

double log2_of(double x) {
  if (!(x > 0 && x < kInfinity)) return log_outside(x);
  const Scaled parts = scaled(x);
  return parts.k + log_of_scaled({parts.f, 0}, 0) * std::numbers::log2e;
}

double pow_of(double x, double y) {
  if (y == 0 || x == 1) return 1;
  if (y == 2) return x * x;  // as rounded as can be
  if (std::isnan(x) || std::isnan(y)) return kNoNumber;
  const double size = std::abs(x);
  const bool whole = std::isinf(y) || y == std::floor(y);
  const bool odd = whole && std::isfinite(y) && std::abs(y) < 0x1p53 && (std::int64_t(y) & 1) != 0;
  const bool negative = std::signbit(x) && odd;
  double out = 0;
  if (std::isinf(y))
    out = size == 1 ? 1 : (size > 1) == (y > 0) ? kInfinity : 0;
  else if (size == 0 || std::isinf(size))
    out = (size == 0) == (y > 0) ? 0 : kInfinity;
  else if (x < 0 && !whole)
    return kNoNumber;
  else
    out = power_of_size(x, y);
  return negative ? -out : out;
}

SineCosine sine_cosine(double x) {
  if (!std::isfinite(x)) return {kNoNumber, kNoNumber};
  const auto [angle, quarter] = reduced(x);
  const double s = sine_of(angle), c = cosine_of(angle);
  switch (quarter) {
    case 0:
      return {s, c};
    case 1:
      return {c, -s};
    case 2:
      return {-s, -c};
    default:
      return {-c, s};
  }
}
double sin_of(double x) { return x == 0 ? x : sine_cosine(x).sine; }
double cos_of(double x) { return sine_cosine(x).cosine; }

double gamma_function(double x) {
  check(x >= 1, "the gamma function of {}: below 1", x);
  double product = 1;  // Gamma(x) = Gamma(x + n) / (x (x + 1) ... (x + n - 1))
  for (; x < 24; ++x) product *= x;
  const double square = 1 / (x * x);  // Stirling's series, whose first term left out is below 1e-16 here
  const double series = (1.0 / 12 - square * (1.0 / 360 - square * (1.0 / 1260 - square / 1680))) / x;
  return std::sqrt(2 * std::numbers::pi) * exp_of((x - 0.5) * log_of(x) - x + series) / product;
}
}  // namespace moesim::core
