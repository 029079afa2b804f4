// What each link carried, how busy it was over time and where flows queued.
#pragma once
#include <cstdint>
#include <vector>

#include "network/network.h"

namespace moesim {

class LinkMeter {
 public:
  /// interval: of the samples; 0 keeps none.
  LinkMeter(const IdVector<LinkId, Link>& links, Time interval);

  /// A flow over the link has sent its last byte.
  void carried(std::uint32_t link, std::int64_t bytes, double work) {
    use_[link].bytes += bytes;
    use_[link].busy += work / capacity_[link];
  }
  /// From `now` on this share of the link is in use.
  void change(std::uint32_t link, Time now, double used, bool saturated, int flows);
  /// Accounts for all links up to `now`.
  void settle(Time now);

  const std::vector<LinkUse>& use() const { return use_; }
  std::vector<UtilisationSample> samples() const;

 private:
  struct State {
    Time since{};
    double used = 0;
    bool saturated = false;
  };
  void account(std::uint32_t link, Time now);

  Time interval_;
  std::vector<double> capacity_;
  std::vector<LinkUse> use_;
  std::vector<State> state_;
  struct Sample {
    std::int64_t interval;
    double used;  // picoseconds at full capacity
  };
  std::vector<std::vector<Sample>> samples_;  // by link, in order of time
};
}  // namespace moesim
