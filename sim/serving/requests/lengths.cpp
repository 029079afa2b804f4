#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/elementary.h"
#include "core/splitmix.h"
#include "serving/requests/workload.h"

namespace moesim::serving {
namespace {
constexpr int kLongest = 100'000'000;  // of a request: a hundred times the longest context there is
// Wider spreads are no lengths any more, and narrower ones of a gamma are none: its shape would be beyond doubles.
constexpr double kMostSpread = 100, kLeastSpread = 1e-6;

[[noreturn]] void wrong(std::string_view what, std::string_view key, const std::string& problem) {
  throw ConfigError(fmt::format("{}.{}", what, key), problem);
}

bool random_kind(LengthKind kind) { return kind == LengthKind::sglang_random || kind == LengthKind::vllm_random; }

/// What has no effect on lengths of this kind is refused.
void check_use(const LengthSpec& spec, std::string_view what) {
  const auto idle = [&](std::string_view key) {
    wrong(what, key, fmt::format("has no effect on lengths of kind {}", name_of(spec.kind)));
  };
  if (spec.cv != 1 && spec.kind != LengthKind::log_normal && spec.kind != LengthKind::gamma) idle("cv");
  if (spec.ratio != 0 && !random_kind(spec.kind)) idle("ratio");
  if (!spec.values.empty() && spec.kind != LengthKind::table) idle("values");
  if (!spec.weights.empty() && spec.kind != LengthKind::table) idle("weights");
  const bool below_one = spec.ratio >= 0 && (spec.kind == LengthKind::sglang_random ? spec.ratio <= 1 : spec.ratio < 1);
  if (random_kind(spec.kind) && !below_one)
    wrong(what, "ratio",
          fmt::format("expected at least 0 and {} 1, got {}",
                      spec.kind == LengthKind::sglang_random ? "at most" : "below", spec.ratio));
  if (random_kind(spec.kind) && !(spec.mean >= 1 && spec.mean <= kLongest))
    wrong(what, "mean", fmt::format("expected 1 to {}, got {}", kLongest, spec.mean));
}

/// A whole number from low to high, each as likely.
double between(Random& random, double low, double high) {
  return low + double(random.below(std::uint64_t(high - low) + 1));
}
}  // namespace

Length::Length(const LengthSpec& spec, std::string_view what) : spec_(spec) {
  if (spec.min < 1) wrong(what, "min", fmt::format("must be at least 1, got {}", spec.min));
  if (spec.max < spec.min) wrong(what, "max", fmt::format("must be at least min = {}, got {}", spec.min, spec.max));
  if (spec.max > kLongest) wrong(what, "max", fmt::format("must be at most {}, got {}", kLongest, spec.max));
  if (spec.kind == LengthKind::table) {
    if (spec.values.empty()) wrong(what, "values", "a table needs them");
    for (std::size_t i = 0; i < spec.values.size(); ++i)
      if (spec.values[i] < 1)
        wrong(what, fmt::format("values[{}]", i), fmt::format("must be at least 1, got {}", spec.values[i]));
    std::vector<double> weights = spec.weights;
    if (weights.empty()) weights.assign(spec.values.size(), 1);
    if (weights.size() != spec.values.size())
      wrong(what, "weights", fmt::format("{} weights for {} values", weights.size(), spec.values.size()));
    if (std::ranges::min(weights) < 0 || std::ranges::max(weights) <= 0)
      wrong(what, "weights", "must not be negative, nor all 0");
    if (!std::isfinite(std::accumulate(weights.begin(), weights.end(), 0.0)))
      wrong(what, "weights", "are too large to be added up");
    pick_.emplace(weights);
  } else if (!(spec.mean > 0)) {
    wrong(what, "mean", fmt::format("must be above 0, got {}", spec.mean));
  }
  check_use(spec, what);
  if (spec.kind != LengthKind::uniform &&
      spec.kind != LengthKind::table) {  // else all draws would be cut to one length
    if (spec.mean > spec.max) wrong(what, "mean", fmt::format("must be at most max = {}, got {}", spec.max, spec.mean));
    if (spec.mean < spec.min)
      wrong(what, "mean", fmt::format("must be at least min = {}, got {}", spec.min, spec.mean));
  }
  if (!(spec.cv >= 0)) wrong(what, "cv", fmt::format("must not be negative, got {}", spec.cv));
  if (spec.cv > kMostSpread) wrong(what, "cv", fmt::format("must be at most {}, got {}", kMostSpread, spec.cv));
  sigma_ = std::sqrt(log1p_of(spec.cv * spec.cv));  // of a log-normal with this mean and cv
  mu_ = spec.mean > 0 ? log_of(spec.mean) - sigma_ * sigma_ / 2 : 0;
}

int Length::operator()(Random& random) const {
  const auto draw = [&]() -> double {
    switch (spec_.kind) {
      case LengthKind::fixed:
        return spec_.mean;
      case LengthKind::uniform:
        return between(random, spec_.min, spec_.max);
      case LengthKind::exponential:
        return random.exponential(spec_.mean);
      case LengthKind::log_normal:
        return random.log_normal(mu_, sigma_);
      case LengthKind::gamma: {
        if (spec_.cv < kLeastSpread) return spec_.mean;
        const double shape = 1 / (spec_.cv * spec_.cv);
        return random.gamma(shape) * spec_.mean / shape;
      }
      case LengthKind::sglang_random:  // sglang.bench_serving, sample_random_requests; vllm's benchmark_serving of 2024
        return between(random, std::max(1.0, std::floor(spec_.mean * spec_.ratio)), std::floor(spec_.mean));
      case LengthKind::vllm_random:  // vllm bench serve, RandomDataset: floor and ceiling, without special tokens
        return between(random, std::max(1.0, std::floor(spec_.mean * (1 - spec_.ratio))),
                       std::ceil(spec_.mean * (1 + spec_.ratio)));
      case LengthKind::table:
        return spec_.values[(*pick_)(random)];
    }
    return 0;
  };
  return int(std::clamp(std::round(draw()), double(spec_.min), double(spec_.max)));
}

std::uint64_t block_hash(std::uint64_t key, std::uint64_t k) {
  return split_mix(key * kSplitMixStep + k + 0x632be59bd9b4e019);
}
}  // namespace moesim::serving
