// Named random streams: each use of chance has its own, so that one more draw here changes nothing there.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/names.h"
#include "core/twister.h"

namespace moesim::core {

/// A stream fixed by (seed, name).  The distributions are ours because the standard's differ between libraries.
class Random {
 public:
  Random(std::uint64_t seed, std::string_view name);

  std::uint64_t bits() { return engine_(); }
  /// In [0, 1), 53 random bits.
  double uniform() { return double(engine_() >> 11) * 0x1p-53; }
  /// In [0, n), without bias.  Throws std::logic_error if n is 0.
  std::uint64_t below(std::uint64_t n);
  double normal();                  // mean 0, variance 1
  double exponential(double mean);  // mean > 0
  double gamma(double shape);       // scale 1; shape > 0
  double log_normal(double mu, double sigma);
  std::uint64_t poisson(double mean);  // mean >= 0
  template <class T>
  void shuffle(std::span<T> items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  Twister engine_;
  double spare_normal_ = 0;
  bool has_spare_ = false;
};

/// Draws an index with probability proportional to its weight, in constant time (Walker's alias method, Vose 1991).
class Discrete {
 public:
  /// weights: at least one, none negative, not all zero; else throws std::logic_error.
  explicit Discrete(std::span<const double> weights);
  std::size_t operator()(Random& random) const;

 private:
  std::vector<double> keep_;
  std::vector<std::uint32_t> alias_;
};
}  // namespace moesim::core
