#include "placement/planning/outlook.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/config_error.h"

namespace moesim::placement {
namespace {
// assumed: how much a share strays differs from expert to expert by about as much as eight windows leave it uncertain
// (kurtosis of the straying between recordings of DeepSeek-V3: 2.4 to 3.5 times a square instead of 1.7).
constexpr double kPriorFreedom = 8;

using Shares = std::vector<std::vector<double>>;  // (windows, experts)

/// Of the windows with load in this layer.
Shares shares_of(std::span<const Loads* const> windows, std::size_t row) {
  Shares out;
  for (const Loads* w : windows) {
    const auto counts = w->row(row);
    const double total = std::accumulate(counts.begin(), counts.end(), 0.0);
    if (!(total > 0)) continue;
    out.emplace_back(counts.begin(), counts.end());
    for (double& x : out.back()) x /= total;
  }
  return out;
}

std::vector<double> mean_of(const Shares& x) {
  std::vector<double> out(x[0].size(), 0);
  for (const auto& window : x)
    for (std::size_t e = 0; e < out.size(); ++e) out[e] += window[e] / double(x.size());
  return out;
}

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// The diagonal of the inverse of a positive definite matrix, n x n; Gauss and Jordan.
std::vector<double> inverse_diagonal(std::vector<double> a, std::size_t n) {
  std::vector<double> inverse(n * n, 0);
  for (std::size_t i = 0; i < n; ++i) inverse[i * n + i] = 1;
  for (std::size_t i = 0; i < n; ++i) {
    const double pivot = a[i * n + i];
    for (std::size_t j = 0; j < n; ++j) a[i * n + j] /= pivot, inverse[i * n + j] /= pivot;
    for (std::size_t k = 0; k < n; ++k) {
      const double factor = a[k * n + i];
      if (k == i || factor == 0) continue;
      for (std::size_t j = 0; j < n; ++j)
        a[k * n + j] -= factor * a[i * n + j], inverse[k * n + j] -= factor * inverse[i * n + j];
    }
  }
  std::vector<double> out;
  for (std::size_t i = 0; i < n; ++i) out.push_back(inverse[i * n + i]);
  return out;
}

/// Of each window's distance to the mean of the others, squared: all of it, and what is outside their span.
struct LeftOut {
  double all = 0, outside = 0;
};
void add_left_out(const Shares& x, LeftOut& sum) {
  const std::size_t n = x.size();
  if (n < 3) return;
  const std::vector<double> mean = mean_of(x);
  Shares apart = x;
  for (auto& window : apart)
    for (std::size_t e = 0; e < mean.size(); ++e) window[e] -= mean[e];
  std::vector<double> gram(n * n);
  double trace = 0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) gram[i * n + j] = gram[j * n + i] = dot(apart[i], apart[j]);
    trace += gram[i * n + i];
  }
  if (trace < 1e-20 * double(n) * dot(mean, mean)) return;  // all alike but for rounding
  // The squared distance of a point to the span of the others is 1 over its element of the Gram matrix's
  // pseudo-inverse; a multiple of ones makes the matrix regular and adds 1 / n^2 of its inverse; equal windows need a
  // little more.
  const double scale = trace / double(n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) gram[i * n + j] += scale * (i == j ? 1 + 1e-9 : 1);
  const std::vector<double> diagonal = inverse_diagonal(gram, n);
  const double others = double(n) / double(n - 1);
  for (std::size_t i = 0; i < n; ++i) {
    sum.all += (gram[i * n + i] - scale * (1 + 1e-9)) * others * others;
    sum.outside += 1 / (diagonal[i] - 1 / (double(n * n) * scale));
  }
}

/// One window: its shares, drawn towards the even one by what counting leaves uncertain.
LayerOutlook from_one(std::vector<double> x, double rows, const OutlookParams& p) {
  const double even = 1 / double(x.size());
  double apart = 0;
  for (const double share : x) apart += (share - even) * (share - even);
  const double counted = (1 - even) / std::max(rows, 1.0);  // sum of the variances of shares of `rows` independent rows
  const double keep = apart > 0 ? std::max(0.0, 1 - counted / apart) : 0;
  LayerOutlook out;
  for (double& share : x) {
    share = even + keep * (share - even);
    out.spread.push_back(p.drift * p.drift * share * share);
  }
  out.windows.push_back(std::move(x));
  return out;
}
}  // namespace

void check_outlook(const OutlookParams& p) {
  if (!(p.common >= 0 && p.common <= 1))
    throw ConfigError("common", fmt::format("must lie between 0 and 1, got {}", p.common));
  if (!(p.drift >= 0 && p.drift <= 10))
    throw ConfigError("drift", fmt::format("must lie between 0 and 10, got {}", p.drift));
}

std::vector<const Loads*> in_order(std::span<const Loads> windows) {
  std::vector<const Loads*> out;
  for (const Loads& w : windows) out.push_back(&w);
  std::ranges::sort(out, [](const Loads* a, const Loads* b) { return a->counts < b->counts; });
  return out;
}

double common_part(std::span<const Loads* const> windows, const OutlookParams& p) {
  LeftOut sum;
  if (windows.size() > 2)
    for (std::size_t row = 0; row < windows[0]->rows(); ++row) add_left_out(shares_of(windows, row), sum);
  return sum.all > 0 ? std::clamp(1 - sum.outside / sum.all, 0.0, 1.0) : p.common;
}

LayerOutlook outlook(std::span<const Loads* const> windows, std::size_t row, double common, const OutlookParams& p) {
  Shares x = shares_of(windows, row);
  const auto experts = std::size_t(windows[0]->experts);
  if (x.empty()) x.emplace_back(experts, 1 / double(experts));
  if (x.size() == 1) {
    double rows = 0;
    for (const Loads* w : windows) rows += std::accumulate(w->row(row).begin(), w->row(row).end(), 0.0);
    return from_one(std::move(x[0]), rows, p);
  }
  const double n = double(x.size());
  const std::vector<double> mean = mean_of(x);
  std::vector<double> squares(experts, 0);  // sums over the windows
  for (const auto& window : x)
    for (std::size_t e = 0; e < experts; ++e) squares[e] += (window[e] - mean[e]) * (window[e] - mean[e]);
  const double all = std::accumulate(squares.begin(), squares.end(), 0.0) / (n - 1);
  const double relative = all / dot(mean, mean);  // common variance over squared mean
  LayerOutlook out;
  for (std::size_t e = 0; e < experts; ++e) {
    const double variance = (kPriorFreedom * relative * mean[e] * mean[e] + squares[e]) / (kPriorFreedom + n - 1);
    out.spread.push_back((1 - common) * (1 + 1 / n) * variance);
  }
  const double stretch = std::sqrt(common * (n + 1) / (n - 1));  // windows stray from their mean by (W - 1) / W of it
  for (auto& window : x)
    for (std::size_t e = 0; e < experts; ++e) window[e] = std::max(0.0, mean[e] + stretch * (window[e] - mean[e]));
  out.windows = std::move(x);
  return out;
}
}  // namespace moesim::placement
