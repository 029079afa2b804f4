// A small comparison of placements, of loads drawn from a seed.
#pragma once
#include <string>

#include "../../law/placement/loads_for_tests.h"
#include "placing/place.h"

namespace moesim::placing {

inline StrategyChoice strategy_named(const std::string& kind) { return {kind, Config::from_text(kind, "test")}; }

inline Workload counts(const std::string& name, int layers, int experts, std::uint64_t seed) {
  Workload out;
  out.name = name;
  out.loads = placement::skewed_loads(layers, experts, 1, seed);
  return out;
}

inline PlaceOptions small() {
  PlaceOptions o;
  o.planned = {counts("a", 3, 16, 1)};
  o.strategies = {strategy_named("contiguous"), strategy_named("eplb")};
  o.problem.gpus = 4;
  o.problem.nodes = 2;
  o.problem.groups = 4;
  o.slots = {16, 24};
  return o;
}
}  // namespace moesim::placing
