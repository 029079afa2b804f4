// How many requests are under way, and wait, over time: what tells a steady service from one that fills up.
#pragma once
#include <cstdint>
#include <vector>

#include "core/units.h"

namespace moesim::serving {

/// Sums in bins of equal length, at most 1,024 of them: they grow twice as long whenever the run outgrows them.
class Pace {
 public:
  /// So many more (or, negative, fewer) are under way, and wait, from now on.  Times never decrease.
  void change(Time now, int open, int waiting);
  /// Mean number between two moments, from < until, neither later than the last change or advance().
  double open(Time from, Time until) const { return mean(from, until, &Bin::open); }
  double waiting(Time from, Time until) const { return mean(from, until, &Bin::waiting); }
  void advance(Time now);
  /// Of those under way, from the start until the last change or advance(): request-seconds.
  double open_sum() const { return open_sum_; }
  std::int64_t open_now() const { return open_; }
  std::int64_t most_open() const { return most_open_; }

 private:
  struct Bin {
    double open = 0, waiting = 0;  // request-seconds
  };
  double mean(Time from, Time until, double Bin::*what) const;
  void widen();

  Time width_ = 1_ms, last_{};
  double open_sum_ = 0;
  std::int64_t open_ = 0, waiting_ = 0, most_open_ = 0;
  std::vector<Bin> bins_;
};
}  // namespace moesim::serving
