// How long something took for some requests, of which others still wait for it: figures that no survivors flatter.
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace moesim::serving {

/// mean, p50, p90, p95, p99, p99.9 of a set of values; all 0 if it is empty, not a number where they are not known.
struct Quantiles {
  double mean = 0, p50 = 0, p90 = 0, p95 = 0, p99 = 0, p999 = 0;
  std::int64_t count = 0;
};
/// Nearest rank (the smallest value with at least that share at or below it).  Reorders `values`.
Quantiles quantiles(std::vector<float>& values);

/// Seconds of each request for which it has ended, and how long it has lasted so far for each of the others.
struct Durations {
  std::vector<float> ended, open;
};
/// The product-limit estimate: whoever is still open counts among those at risk for as long as it has lasted.
///
///   S(t) = product over the times t_i <= t at which d_i of n_i still at risk end of (1 - d_i / n_i)
///
/// A quantile p is the first t with S(t) <= 1 - p, and not known where S never gets so low.  The mean is the integral
/// of S, and not known where more than 1 % are left when the last one ends.  Without open ones it is quantiles() of
/// those that ended.  count: ended and open.  Reorders both. Source: Kaplan and Meier, "Nonparametric estimation from
/// incomplete observations", 1958.
Quantiles quantiles(Durations& durations);
/// The times by which each of `shares`, ascending, have ended, estimated likewise; not a number where they are not
/// known. Sorts both.
std::vector<double> times_at(Durations& durations, std::span<const double> shares);

/// Values with weights in logarithmic bins of 0.1 %: for what happens once a token.
class WeightedBins {
 public:
  void add(double value, std::int64_t weight);
  Quantiles quantiles() const;

 private:
  static constexpr double kLowest = 1e-9, kRatio = 1.001;
  std::map<std::int32_t, std::int64_t> bins_;
  double sum_ = 0;
  std::int64_t count_ = 0;
};
}  // namespace moesim::serving
