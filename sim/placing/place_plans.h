// The plans of a comparison: every strategy with every number of slots, from every source.
#pragma once
#include <string>
#include <vector>

#include "placing/place.h"

namespace moesim::placing {

struct Planned {
  std::size_t source, strategy;
  placement::PlacementProblem problem;
  std::vector<exchange::ExpertMap> maps;
  placement::SlotShares shares;  // with Sharing::planned
  double plan_time = 0;
};

/// The placement in force in a layer (`from` is given).  Throws ConfigError if it has none there.
const exchange::ExpertMap& in_force(const PlaceOptions& options, int layer);

/// One of all workloads, or one each.  Throws ConfigError if those to be put together have different layers.
std::vector<PlanSource> plan_sources(const PlaceOptions& options);

/// Strategies that say they cannot do it go to `not_applied`; if none can, throws what the first said.
std::vector<Planned> plan_all(const PlaceOptions& options, const std::vector<PlanSource>& sources,
                              std::vector<NotApplied>& not_applied);
}  // namespace moesim::placing
