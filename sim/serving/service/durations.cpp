#include "serving/service/durations.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/elementary.h"

namespace moesim::serving {
namespace {
constexpr std::array<double, 5> kShares = {0.5, 0.9, 0.95, 0.99, 0.999};
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
// assumed: what is cut off the mean's tail is then within what a run's length changes anyway
constexpr double kMostLeft = 0.01;

void set(Quantiles& out, const std::array<double, 5>& at) {
  out.p50 = at[0];
  out.p90 = at[1];
  out.p95 = at[2];
  out.p99 = at[3];
  out.p999 = at[4];
}
}  // namespace

Quantiles quantiles(std::vector<float>& values) {
  Quantiles out;
  out.count = std::int64_t(values.size());
  if (values.empty()) return out;
  double sum = 0;
  for (float v : values) sum += double(v);
  out.mean = sum / double(values.size());
  std::array<double, 5> at{};
  auto rest = values.begin();  // no value before it is larger than those from it on
  for (std::size_t i = 0; i < kShares.size(); ++i) {
    const double rank = std::ceil(kShares[i] * double(values.size()));
    const auto place = values.begin() + std::ptrdiff_t(std::min(double(values.size()), std::max(rank, 1.0))) - 1;
    std::nth_element(rest, place, values.end());
    at[i] = double(*place);
    rest = place;
  }
  set(out, at);
  return out;
}

namespace {
/// The product-limit estimate: fills `at` for `shares`, as far as it gets.  Returns the mean of what it saw and the
/// share that is left then.
std::pair<double, double> estimate(Durations& d, std::span<const double> shares, std::span<double> at) {
  std::ranges::sort(d.ended);
  std::ranges::sort(d.open);
  double left = 1, mean = 0, before = 0;
  std::size_t next = 0, gone = 0;
  for (std::size_t i = 0; i < d.ended.size();) {
    const float t = d.ended[i];
    while (gone < d.open.size() && d.open[gone] < t) ++gone;  // open ones as long as this are still at risk
    const std::size_t first = i;
    while (i < d.ended.size() && !(d.ended[i] > t)) ++i;
    const double risk = double(d.ended.size() - first + d.open.size() - gone);
    mean += left * (double(t) - before);
    before = double(t);
    left *= 1 - double(i - first) / risk;
    while (next < shares.size() && left <= 1 - shares[next] + 1e-12) at[next++] = double(t);
  }
  return {mean, left};
}
}  // namespace

Quantiles quantiles(Durations& d) {
  if (d.open.empty()) return quantiles(d.ended);
  Quantiles out;
  out.count = std::int64_t(d.ended.size() + d.open.size());
  std::array<double, 5> at;
  at.fill(kUnknown);
  const auto [mean, left] = estimate(d, kShares, at);
  out.mean = left <= kMostLeft ? mean : kUnknown;
  set(out, at);
  return out;
}

std::vector<double> times_at(Durations& d, std::span<const double> shares) {
  std::vector<double> at(shares.size(), kUnknown);
  (void)estimate(d, shares, at);
  return at;
}

void WeightedBins::add(double value, std::int64_t weight) {
  if (weight == 0) return;
  static const double log_ratio = log_of(kRatio);
  bins_[std::int32_t(std::floor(log_of(std::max(value, kLowest) / kLowest) / log_ratio))] += weight;
  sum_ += value * double(weight);
  count_ += weight;
}

Quantiles WeightedBins::quantiles() const {
  Quantiles out;
  out.count = count_;
  if (count_ == 0) return out;
  out.mean = sum_ / double(count_);
  std::array<double, 5> at{};
  std::int64_t below = 0;
  std::size_t next = 0;
  for (const auto& [bin, weight] : bins_) {
    below += weight;
    while (next < kShares.size() && double(below) >= kShares[next] * double(count_))
      at[next++] = kLowest * pow_of(kRatio, double(bin) + 0.5);
  }
  set(out, at);
  return out;
}
}  // namespace moesim::serving
