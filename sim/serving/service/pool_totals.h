// What each pool of a service has done: steps as they end, who waits and who has a place, and all of it of the window
// that figures are formed of.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "serving/fleet/fleet.h"
#include "serving/service/power.h"
#include "serving/service/service_log.h"

namespace moesim::serving {

/// Sums since the start, or between two moments.
struct PoolSums {
  InstanceTotals instances;
  double on_time = 0;                       ///< seconds of instances switched on
  double all_time = 0;                      ///< the same with those that the simulated ones stand for
  double idle = 0;                          ///< of these, seconds of folded instances that started up or drained
  std::array<double, kStepParts> parts{};   ///< seconds of steps by what they waited for
  double balancedness = 0;                  ///< of steps, times their seconds
  double drawn = 0;                         ///< of steps: StepTimes::drawn
  double experts_waiting = 0;               ///< seconds lost to GPUs busier than the mean
  double length = 0, requests = 0;          ///< seconds of steps; requests in them, times their seconds
  double prompt_time = 0, decode_time = 0;  ///< seconds of steps; of a step with both, by their tokens
  double running = 0, waiting = 0;          ///< request-seconds with a place, without
  double kv = 0;                            ///< token-seconds of KV cache in use
  std::size_t steps = 0;                    ///< as many step times are listed
  PoolSums& operator-=(const PoolSums& other);
};

struct PoolTotals {
  int instances = 0;
  std::int64_t kv_capacity = 0;           ///< tokens, of all ranks of the simulated instances
  InstanceTotals sum;                     ///< of the whole run
  double on_time = 0, all_time = 0;       ///< of the whole run, as in PoolSums
  PoolSums in;                            ///< of the window
  std::vector<float> step_times;          ///< of the window, s
  double kv_peak = 0;                     ///< largest share of kv_capacity in use at any moment of the run
  InstanceOwner::StepEnd longest_step{};  ///< after the warm-up; without its times
};

/// What may end the window that figures are formed of.
enum class WindowEnd : std::size_t { last_arrival, duration, run };

/// Keeps the totals of all pools.
class PoolBooks {
 public:
  PoolBooks(const Fleet& fleet, const PowerControl& power);

  void add(const InstanceOwner::StepEnd& step);
  void changed(int instance, const InstanceOwner::Change& change, Time now);
  /// What happened before is left out of the figures.
  void begin_window(Time now);
  /// What happens from now on is left out, if the window turns out to end so; the last call of each counts.
  void end_window(Time now, WindowEnd end);
  /// One reading a pool: means and rates since the last one, a time `interval` ago.
  void read(Time now, Time interval, ServiceLog& log);
  /// The run ends.
  void close(Time now, WindowEnd end);

  const PoolTotals& operator[](std::size_t pool) const { return totals_[pool]; }

 private:
  /// What is so at the moment, and the sums of it until `since`.
  struct Now {
    std::int64_t waiting = 0, placed = 0, kv = 0, most_kv = 0;
    Time since{};
  };
  void advance(std::size_t pool, Time now);
  InstanceTotals sum_of(std::size_t pool) const;
  PoolSums sums(std::size_t pool, Time now);

  const Fleet& fleet_;
  const PowerControl& power_;
  std::vector<PoolTotals> totals_;
  std::vector<Now> now_;                        // by pool
  std::vector<PoolSums> running_;               // by pool, since the start; without what others count
  std::vector<PoolSums> from_, read_;           // by pool, at the window's start and at the last reading
  std::array<std::vector<PoolSums>, 2> until_;  // by what may end the window, by pool
};
}  // namespace moesim::serving
