// What each pool of a service has done: steps as they end, samples for the time series, the state after the warm-up.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "serving/fleet/fleet.h"
#include "serving/service/power.h"
#include "serving/service/service_log.h"

namespace moesim::serving {

struct PoolTotals {
  InstanceTotals sum;
  double on_time = 0;   ///< seconds of instances switched on
  double all_time = 0;  ///< the same with those that the simulated ones stand for
  double idle = 0;      ///< of these, seconds of folded instances that started up or drained
  double busy = 0;      ///< of these, seconds stepping
  int instances = 0;
  std::array<double, kStepParts> parts{};   ///< seconds of steps by what they waited for
  double balancedness = 0;                  ///< mean over steps, weighted by their time
  double drawn = 0;                         ///< of steps: StepTimes::drawn
  double waiting = 0;                       ///< seconds lost to GPUs busier than the mean
  std::int64_t sequences = 0;               ///< summed over steps
  double prompt_time = 0, decode_time = 0;  ///< seconds of steps; of a step with both, by their tokens
  std::vector<float> step_times;
  double kv_peak = 0;
  InstanceTotals warm;  ///< at the end of the warm-up
  double warm_on = 0, warm_all = 0;
};

/// Keeps the totals of all pools.
class PoolBooks {
 public:
  PoolBooks(const Fleet& fleet, const PowerControl& power);

  void add(const InstanceOwner::StepEnd& step);
  /// What the steps did so far is left out of the figures.
  void end_warmup(Time now);
  /// One sample a pool; rates are those since the last one, a time `interval` ago.
  void read(Time now, Time interval, ServiceLog& log);
  /// Fills in what is only known at the end.
  void close(Time now);

  const PoolTotals& operator[](std::size_t pool) const { return totals_[pool]; }

 private:
  InstanceTotals sum_of(std::size_t pool) const;
  double all_time(std::size_t pool, Time now) const;

  struct LastSample {
    InstanceTotals sum;
    double on_time = 0;
  };
  const Fleet& fleet_;
  const PowerControl& power_;
  std::vector<PoolTotals> totals_;
  std::vector<LastSample> sampled_;  // by pool
};
}  // namespace moesim::serving
