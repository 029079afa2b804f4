// What a service is built from: its pools, how long it runs, what happens to it on the way.
#pragma once
#include <vector>

#include "forward/engine.h"
#include "serving/fleet/pool_shape.h"
#include "serving/service/fault.h"
#include "serving/service/outcome.h"

namespace moesim::serving {

struct ServiceShape {
  std::vector<PoolShape> pools;
  std::int64_t context = 0;  ///< longest request, input and output; 0: no limit
  Time duration{INT64_MAX};  ///< no arrivals later; without `drain` the run ends here
  bool drain = true;
  Time warmup{};
  forward::FrontEnd
      front_end;  ///< what requests go through before the balancer sees them, and tokens on their way back
  Slo slo;
  std::vector<Fault> faults;
  int gpus_per_node = 8;
  int layers = 1;    ///< of the model, for the layer-wise transfer
  Time sample{};     ///< interval of the time series; 0 s: none
  Time rebalance{};  ///< interval of new placements; 0 s: never
};
}  // namespace moesim::serving
