// When the pipeline stages of an instance are free, and when it must stand still.
#pragma once
#include <algorithm>
#include <span>
#include <vector>

#include "core/units.h"

namespace moesim::serving {

class StageClock {
 public:
  explicit StageClock(int stages) : free_(std::size_t(stages)) {}
  std::size_t stages() const { return free_.size(); }
  /// The first stage has ended what it was given.
  Time first_free() const { return free_[0]; }
  /// A step passes through the stages, each of which takes so long.  Returns when it leaves the last.
  Time pass(Time start, std::span<const Time> stages) {
    Time at = start;
    for (std::size_t s = 0; s < free_.size(); ++s) {
      at = std::max(at, free_[s]) + stages[s];
      free_[s] = at;
    }
    return at;
  }
  /// No step starts before this moment; false if that was so already.
  bool hold_until(Time moment) {
    if (moment <= not_before_) return false;
    not_before_ = moment;
    return true;
  }
  bool held(Time now) const { return now < not_before_; }

 private:
  std::vector<Time> free_;
  Time not_before_{};
};
}  // namespace moesim::serving
