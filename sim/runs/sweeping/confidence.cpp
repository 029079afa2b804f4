#include "runs/sweeping/confidence.h"

#include <array>
#include <cmath>

#include "core/check.h"

namespace moesim::runs {

double student_97_5(int freedom) {
  check(freedom >= 1, "{} degrees of freedom", freedom);
  // Abramowitz, Stegun, "Handbook of mathematical functions", table 26.10.
  static constexpr std::array kFew = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228};
  if (freedom <= int(kFew.size())) return kFew[std::size_t(freedom - 1)];
  // The same, 26.7.5: in powers of 1 / freedom about the normal distribution's.
  constexpr double z = 1.959964, z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
  const double n = freedom;
  return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n) +
         (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * n * n * n);
}

Mean mean_of(std::span<const double> values) {
  check(!values.empty(), "the mean of no values");
  Mean out{int(values.size()), 0, 0};
  for (const double v : values) out.mean += v / double(values.size());
  if (values.size() < 2) return out;
  double squares = 0;
  for (const double v : values) squares += (v - out.mean) * (v - out.mean);
  const double n = double(values.size());
  out.half_width = student_97_5(out.count - 1) * std::sqrt(squares / (n - 1) / n);
  return out;
}
}  // namespace moesim::runs
