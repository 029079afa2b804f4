// The steady state of a pool or deployment in closed form: what ranks candidates before any is simulated.
#pragma once
#include <string>

#include "sizing/unit_model.h"

namespace moesim::sizing {

/// One instance at its operating point.
struct Steady {
  std::string refused{};      // why it cannot be used at all: memory, latency; "": it can
  double rate = 0;            // requests/s that it sustains within the targets on latency
  double most = 0;            // requests/s that it sustains when full, however slow
  double ttft = 0, tpot = 0;  // s; of what its role decides
  double step = 0;            // s
};

/// The shortest target of a kind; infinity if there is none.
double ttft_limit(const Targets& targets);
double tpot_limit(const Targets& targets);

Steady steady_of(const Plan& plan, UnitModel& model, const PoolDesign& design);
}  // namespace moesim::sizing
