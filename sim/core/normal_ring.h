// A sequence of normal numbers in which neighbours correlate, for what varies along the layers of a model.
#pragma once
#include <array>
#include <cmath>

#include "core/random.h"

namespace moesim::core {

/// A standard normal sequence on a ring of kSize places.
///
///     x(i) = a x(i - 1) + sqrt(1 - a^2) noise(i),  then brought to mean 0 and variance 1
///
/// Brought to the mean because a model's layers are a fixed few: sequences that have it in the long run only would
/// differ from seed to seed by more than recordings of one model do.
class NormalRing {
 public:
  static constexpr std::size_t kSize = 64;  // more layers begin anew there
  NormalRing() = default;
  /// neighbours: correlation of a place with the next, at least 0 and below 1.
  NormalRing(Random chance, double neighbours) {
    for (double& x : values_) x = chance.normal();
    const std::array<double, kSize> noise = values_;
    const double own = std::sqrt(1 - neighbours * neighbours);
    double x = 0;
    constexpr int kTurns = 12;  // after which even 0.99 has forgotten where it began
    for (int turn = 0; turn < kTurns; ++turn)
      for (std::size_t i = 0; i < kSize; ++i) values_[i] = x = neighbours * x + own * noise[i];
    double mean = 0, squares = 0;
    for (const double v : values_) mean += v / double(kSize);
    for (const double v : values_) squares += (v - mean) * (v - mean) / double(kSize);
    for (double& v : values_) v = (v - mean) / std::sqrt(squares);
  }
  double at(int place) const { return values_[std::size_t(place) % kSize]; }

 private:
  std::array<double, kSize> values_{};
};
}  // namespace moesim::core
