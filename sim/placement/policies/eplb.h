// The published expert-parallel load balancer (EPLB), to the last slot.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace moesim::placement {

/// Plans one layer at a time; keeps its buffers between layers.
class Eplb {
 public:
  /// slots: slots of a layer, divisible by gpus; gpus divisible by nodes; experts by groups; groups by nodes.
  /// The global policy is groups = nodes = 1.  Throws std::logic_error otherwise.
  Eplb(int experts, int slots, int groups, int nodes, int gpus);
  /// load: (experts), none negative.  Writes the expert of each slot; GPU g has slots [g, g+1) * slots / gpus, in
  /// the order of assignment.  Sorts are descending and stable, sums and quotients float32, the first index wins a tie.
  void place(std::span<const double> load, std::span<int> slot_to_expert);

 private:
  void pack(std::span<const float> weights, int packs, std::span<int> pack_of, std::span<int> rank_of);
  void order_experts(std::span<const double> load);
  void replicate(int node);

  int experts_, slots_, groups_, nodes_, gpus_;
  std::vector<int> expert_at_;  // (experts): experts in the order of their groups' nodes
  std::vector<float> weight_, ratio_, group_weight_, item_weight_;
  std::vector<int> count_, item_, pack_of_, rank_of_, used_;
  std::vector<std::uint64_t> sorted_, heap_;
};
}  // namespace moesim::placement
