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
  double alone = 0;           // s of a token, where nobody else is served
  std::int64_t holds = 0;     // tokens of a rank's KV cache, where they do not hold the load's longest request
};

/// The shortest target of a kind; infinity if there is none.
double ttft_limit(const Targets& targets);
double tpot_limit(const Targets& targets);

/// Of the shortest targets on latency, the larger share that a closed form uses where each of `instances` serves its
/// part of the rate, requests/s; and s of a token then.
struct Loaded {
  double used = 0, tpot = 0;
};
Loaded loaded(const Plan& plan, const PoolDesign& design, const Steady& steady, double rate, int instances);

Steady steady_of(const Plan& plan, UnitModel& model, const PoolDesign& design);
}  // namespace moesim::sizing
