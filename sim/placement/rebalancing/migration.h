// What has to move from one placement to the next.
#pragma once
#include <span>
#include <vector>

#include "placement/placement.h"

namespace moesim::placement {

/// One expert's weights that a GPU lacks.
struct ExpertMove {
  int layer = 0, expert = 0;
  int from = 0, to = 0;  // GPUs; the copy comes from the same node if one is there, else from the lowest GPU
};
/// The moves of one layer, by destination slot.  A copy that stays on its GPU, in whatever slot, does not move.
std::vector<ExpertMove> moves(int layer, const exchange::ExpertMap& before, const exchange::ExpertMap& after,
                              const spec::GroupShape& group);

/// Renumbers nodes, GPUs within nodes and slots within GPUs of `after` so that more stays where it is in `before`;
/// balance and the company experts keep do not change.  Largest overlap first, ties by lower number.
/// Only for GPUs that are all alike.
exchange::ExpertMap aligned(const exchange::ExpertMap& before, const exchange::ExpertMap& after,
                            const spec::GroupShape& group);

/// Bytes through the busiest port: what one GPU takes in or gives out, inside its node and between nodes.
struct MovePorts {
  int most_inside = 0, most_between = 0;  // experts
};
MovePorts busiest_ports(std::span<const ExpertMove> moves, const spec::GroupShape& group);
}  // namespace moesim::placement
