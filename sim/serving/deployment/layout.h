// Which GPUs the instances of pools lie on.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace moesim::serving {

enum class LayoutKind { packed, spread };
constexpr auto enum_names(LayoutKind) {
  return std::to_array<std::pair<std::string_view, LayoutKind>>(
      {{"packed", LayoutKind::packed}, {"spread", LayoutKind::spread}});
}

/// Equal instances, each on so many GPUs, a part of a node or whole nodes.
struct Taken {
  int gpus = 1, instances = 1;
};
/// The first GPU of each instance, pool by pool.
using Places = std::vector<std::vector<int>>;

/// GPUs that an instance keeps others off: one of a node or more takes whole nodes.
int whole_nodes(int gpus, int per_node);
/// Where a pool begins behind `taken` GPUs: no instance lies across the end of a node that it divides or fills.
std::int64_t next_place(std::int64_t taken, int gpus, int per_node);

/// One pool after the other, each instance behind the one before.
Places packed_places(const std::vector<Taken>& pools, int per_node);
/// Instances of less than a node on the nodes that the others leave, those of a pool on as many of them as there are,
/// so that the loss of a node takes as few of a pool as can be.  None if they do not fit so.  A pool's places rise.
std::optional<Places> spread_places(const std::vector<Taken>& pools, int per_node, int nodes);
}  // namespace moesim::serving
