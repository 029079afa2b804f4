// What of a plan is carried out where few weights may move: whole layers, or single steps from the placement in force.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "placement/placement.h"

namespace moesim::placement {

/// A layer that a plan changes.
struct PlannedLayer {
  std::size_t row = 0;  // among the loads' layers
  exchange::ExpertMap map;
  double gain = 0;         // of balance (mean over max GPU load)
  std::int64_t moves = 0;  // experts whose weights a GPU lacks
};

/// Changes `planned` to what at most `most` moves give.  All of it, if that is so few; else what gains most balance a
/// move, one after the other: a layer's whole plan, or one step more of a layer from `in_force` on (two slots swapped,
/// or a copy of an expert in place of another's), as long as its slowest GPU gets faster and it is no better balanced
/// than by the plan.  Where plan and placement in
/// force keep every group of experts on one node, so do the steps.  Layers that gain no more than `least_gain` stay.
/// in_force: maps of all rows.  Ties: the whole plan, then the earlier in `planned`.
void keep_within(std::vector<PlannedLayer>& planned, std::int64_t most, double least_gain, const Loads& loads,
                 std::span<const exchange::ExpertMap> in_force, const PlacementProblem& problem);
}  // namespace moesim::placement
