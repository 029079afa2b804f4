// Means of few values, and how far they may be off.
#pragma once
#include <span>

namespace moesim::runs {

struct Mean {
  int count = 0;
  double mean = 0;
  double half_width = 0;  // of the 95 % confidence interval, values taken as normal; 0 for a single one
};
/// values: at least one.
Mean mean_of(std::span<const double> values);

/// What a variable of Student's distribution exceeds once in forty times, so that 95 % lie within plus or minus it.
/// freedom: degrees of freedom, at least 1.  Four digits.
double student_97_5(int freedom);
}  // namespace moesim::runs
