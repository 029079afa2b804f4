// What each link carried, how busy it was over time and where flows queued.
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "network/network.h"

namespace moesim::network {

class LinkMeter {
 public:
  /// interval: of the samples; 0 keeps none.
  LinkMeter(const IdVector<LinkId, Link>& links, Time interval);

  /// A flow over the link has sent its last byte.
  void carried(std::uint32_t link, std::int64_t bytes, double work) {
    use_[link].bytes += bytes;
    use_[link].busy += work / capacity_[link];
  }
  /// The same for what a closed form moved, evenly between these moments.
  void moved(std::uint32_t link, std::int64_t bytes, double work, Time from, Time until);
  /// From `now` on the link is saturated or not, with so many flows.
  void change(std::uint32_t link, Time now, bool saturated, int flows) {
    State& s = state_[link];
    s.most_flows = std::max(s.most_flows, flows);
    if (s.saturated == saturated) return;
    if (saturated)
      s.saturated_since = now;
    else
      s.saturated_for += now - s.saturated_since;
    s.saturated = saturated;
  }
  /// Whether samples are kept, and from `now` on this share of the link is in use.
  bool sampling() const { return !readings_.empty(); }
  void read(std::uint32_t link, Time now, double used);
  /// Accounts for all links up to `now`.
  void settle(Time now);

  /// Up to the last settle().
  const std::vector<LinkUse>& use() const { return use_; }
  std::vector<UtilisationSample> samples() const;

 private:
  struct State {
    Time saturated_for{}, saturated_since{};
    int most_flows = 0;
    bool saturated = false;
  };
  struct Reading {
    std::int64_t interval;
    double used;  // picoseconds at full capacity
  };
  struct Sampling {
    Time since{};
    double used = 0;
    std::vector<Reading> taken;  // in order of time
  };

  Time interval_;
  std::vector<double> capacity_;
  std::vector<LinkUse> use_;
  std::vector<State> state_;
  std::vector<Sampling> readings_;                                  // by link; empty without an interval
  std::map<std::pair<std::int64_t, std::uint32_t>, double> moved_;  // by interval and link: as Reading::used
};
}  // namespace moesim::network
