// How steeply the loads of a layer's groups fall with their number, layer by layer, as the law `grouped` has it.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "core/random.h"

namespace moesim::routing {

/// A standard normal sequence along the layers in which neighbours correlate.
///
///     x(l) = a x(l - 1) + sqrt(1 - a^2) noise(l),  on a ring of kRing layers, then brought to mean 0 and variance 1
///
/// Brought to the mean because a model's layers are a fixed few: sequences that only have it in the long run would
/// differ from seed to seed by more than recordings of one model do.
class SlopeField {
 public:
  static constexpr std::size_t kRing = 64;  // a model of more layers begins anew there
  SlopeField() = default;
  SlopeField(std::uint64_t seed, const std::string& name, double neighbours) {
    Random chance(seed, fmt::format("traffic grouped slopes {}", name));
    for (double& x : values_) x = chance.normal();
    const std::array<double, kRing> noise = values_;
    double x = 0;
    constexpr int kTurns = 12;  // after which even 0.99 has forgotten where it began
    for (int turn = 0; turn < kTurns; ++turn)
      for (std::size_t l = 0; l < kRing; ++l)
        values_[l] = x = neighbours * x + std::sqrt(1 - neighbours * neighbours) * noise[l];
    double mean = 0, squares = 0;
    for (const double v : values_) mean += v / double(kRing);
    for (const double v : values_) squares += (v - mean) * (v - mean) / double(kRing);
    for (double& v : values_) v = (v - mean) / std::sqrt(squares);
  }
  double at(int layer) const { return values_[std::size_t(layer) % kRing]; }

 private:
  std::array<double, kRing> values_{};
};
}  // namespace moesim::routing
