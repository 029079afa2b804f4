#include "core/random.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "core/check.h"
#include "core/elementary.h"
#include "core/splitmix.h"

namespace moesim::core {
namespace {
std::uint64_t mix(std::uint64_t seed, std::string_view name) {
  std::uint64_t h = 0xcbf29ce484222325 ^ (seed * kSplitMixStep);
  for (char c : name) h = (h ^ std::uint8_t(c)) * 0x100000001b3;
  return split_mix(h);  // nearby seeds give unlike streams
}
}  // namespace

Random::Random(std::uint64_t seed, std::string_view name) : engine_(mix(seed, name)) {}

std::uint64_t Random::below(std::uint64_t n) {
  check(n > 0, "a random choice needs at least one candidate");
  const std::uint64_t limit =
      UINT64_MAX - UINT64_MAX % n;  // the largest multiple of n: what lies above would favour low values
  for (;;)
    if (const std::uint64_t x = engine_(); x < limit) return x % n;
}

double Random::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_normal_;
  }
  const double radius = std::sqrt(-2 * log1p_of(-uniform()));  // Box-Muller; 1 - u avoids log 0
  const double angle = 2 * std::numbers::pi * uniform();
  const auto [sine, cosine] = sine_cosine(angle);
  spare_normal_ = radius * sine;
  has_spare_ = true;
  return radius * cosine;
}

double Random::exponential(double mean) {
  check(mean > 0, "an exponential distribution needs a mean above 0, got {}", mean);
  return -mean * log1p_of(-uniform());
}

// Marsaglia and Tsang, "A simple method for generating gamma variables", 2000.
double Random::gamma(double shape) {
  check(shape > 0, "a gamma distribution needs a shape above 0, got {}", shape);
  if (shape < 1) return gamma(shape + 1) * pow_of(1 - uniform(), 1 / shape);
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = normal(), v = 1 + c * x;
    if (v <= 0) continue;
    const double v3 = v * v * v;
    if (log1p_of(-uniform()) < 0.5 * x * x + d - d * v3 + d * log_of(v3)) return d * v3;
  }
}

double Random::log_normal(double mu, double sigma) { return exp_of(mu + sigma * normal()); }

std::uint64_t Random::poisson(double mean) {
  check(mean >= 0 && mean < 1e15, "a Poisson distribution needs a mean from 0 to 1e15, got {}", mean);
  std::uint64_t total = 0;
  // A gamma variate is the time of the m-th arrival (Ahrens and Dieter 1974): the work falls by halves for large means.
  while (mean > 30) {
    const auto m = std::uint64_t(mean * 7 / 8);
    const double when = gamma(double(m));
    if (when > mean) {
      std::uint64_t before = 0;
      for (std::uint64_t i = 0; i + 1 < m; ++i) before += uniform() < mean / when;
      return total + before;
    }
    total += m;
    mean -= when;
  }
  const double limit = exp_of(-mean);
  for (double product = 1 - uniform(); product > limit; product *= 1 - uniform()) ++total;
  return total;
}

Discrete::Discrete(std::span<const double> weights) : keep_(weights.size(), 1), alias_(weights.size()) {
  double sum = 0;
  for (double w : weights) {
    check(w >= 0, "a weight must not be negative, got {}", w);
    sum += w;
  }
  check(sum > 0 && std::isfinite(sum), "weights must have a positive finite sum, got {}", sum);
  std::iota(alias_.begin(), alias_.end(), 0u);
  std::vector<std::uint32_t> small, large;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    keep_[i] = weights[i] / sum * double(weights.size());
    (keep_[i] < 1 ? small : large).push_back(std::uint32_t(i));
  }
  while (!small.empty() && !large.empty()) {
    const std::uint32_t s = small.back(), l = large.back();
    small.pop_back();
    alias_[s] = l;
    keep_[l] -= 1 - keep_[s];
    if (keep_[l] < 1) large.pop_back(), small.push_back(l);
  }
  // Only rounding leaves anything here; an item of weight 0 must still never be drawn.
  const auto heaviest = std::uint32_t(std::max_element(weights.begin(), weights.end()) - weights.begin());
  for (std::uint32_t i : small) weights[i] > 0 ? void(keep_[i] = 1) : void(alias_[i] = heaviest);
  for (std::uint32_t i : large) keep_[i] = 1;
}

std::size_t Discrete::operator()(Random& random) const {
  const double u = random.uniform() * double(keep_.size());
  const auto i = std::size_t(u);
  return u - double(i) < keep_[i] ? i : alias_[i];
}
}  // namespace moesim::core
