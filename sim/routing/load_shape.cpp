#include "routing/load_shape.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <vector>

#include "core/check.h"
#include "core/elementary.h"

namespace moesim::routing {
namespace {
double sum_of(std::span<const double> load) { return std::accumulate(load.begin(), load.end(), 0.0); }
}  // namespace

double max_over_mean(std::span<const double> load) {
  const double sum = sum_of(load);
  return sum > 0 ? *std::max_element(load.begin(), load.end()) * double(load.size()) / sum : 1;
}

double balance(std::span<const double> load) { return 1 / max_over_mean(load); }

double variation(std::span<const double> load) {
  const double mean = sum_of(load) / double(load.size());
  if (!(mean > 0)) return 0;
  double squares = 0;
  for (const double x : load) squares += (x - mean) * (x - mean);
  return std::sqrt(squares / double(load.size())) / mean;
}

double gini(std::span<const double> load) {
  const double sum = sum_of(load), n = double(load.size());
  if (!(sum > 0)) return 0;
  std::vector<double> sorted(load.begin(), load.end());
  std::sort(sorted.begin(), sorted.end());
  double weighted = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) weighted += (2 * double(i + 1) - n - 1) * sorted[i];
  return weighted / (n * sum);
}

double share_of_largest(std::span<const double> load, std::size_t n) {
  const double sum = sum_of(load);
  if (!(sum > 0)) return 0;
  std::vector<double> sorted(load.begin(), load.end());
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  sorted.resize(std::min(n, sorted.size()));
  return sum_of(sorted) / sum;
}

double effective_number(std::span<const double> load) {
  const double sum = sum_of(load);
  double entropy = 0;
  for (const double x : load)
    if (x > 0) entropy -= x / sum * log_of(x / sum);
  return sum > 0 ? exp_of(entropy) : 0;
}

double correlation(std::span<const double> a, std::span<const double> b) {
  check(a.size() == b.size(), "lists of {} and {} have no correlation", a.size(), b.size());
  const double n = double(a.size()), mean_a = sum_of(a) / n, mean_b = sum_of(b) / n;
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}
}  // namespace moesim::routing
