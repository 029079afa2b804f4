// Instances switched on and off along a daily curve, and those that the simulated ones stand for.
#pragma once
#include <cstdint>
#include <vector>

#include "core/engine.h"
#include "serving/fleet/dispatcher.h"
#include "serving/service/arrivals.h"

namespace moesim::serving {

class PowerControl {
 public:
  /// until: no decisions later.
  PowerControl(Engine& engine, Fleet& fleet, const Requests& requests, const Arrivals& arrivals, Dispatcher& dispatcher,
               Time until);

  /// Switches on what the curves ask for at the beginning, and follows them from then on.
  void start();
  /// A step of the instance has ended: it is switched off if it was to drain and is empty.
  void stepped(Fleet::Member& member);
  /// A request has left the instances of a pool.
  void left(std::size_t pool, const Live& live);

  /// Seconds of simulated instances switched on, and of those they stand for.
  double on_time(std::size_t pool, Time now) const;
  double folded_time(std::size_t pool, Time now) const;
  /// Of these, seconds in which folded instances started up or drained.
  double idle_time(std::size_t pool) const { return pools_[pool].idle; }
  /// Folded instances that draw power now.
  int folded_on(std::size_t pool) const { return pools_[pool].powered; }

 private:
  /// Folded instances that were switched off while they served `left` requests, with ids below `before`.
  struct Drain {
    int instances = 0;
    std::int64_t before = 0, left = 0;
    Time since{};
  };
  struct PoolPower {
    double on_before = 0;          ///< seconds of simulated instances that were on and no longer are
    int serving = 0, powered = 0;  ///< folded instances; the others of those with power drain
    double folded = 0;             ///< seconds of their power, until `since`
    Time since{};
    double idle = 0;
    std::vector<Drain> drains;
  };
  void follow_curve(std::size_t pool);
  void scale_folded(std::size_t pool, int want);
  void switch_on(std::size_t pool, int count);
  void switch_off(std::size_t pool, int count);
  void start_up(std::size_t member);
  void set(Fleet::Member& member, PowerState state);
  int simulated_on(std::size_t pool) const;
  void power_folded(std::size_t pool, int change);
  void drain_folded(std::size_t pool, int count);
  void start_folded(std::size_t pool, int count);

  Engine& engine_;
  Fleet& fleet_;
  const Requests& requests_;
  const Arrivals& arrivals_;
  Dispatcher& dispatcher_;
  Time until_;
  std::vector<PoolPower> pools_;
};
}  // namespace moesim::serving
