// Which expert each slot of an expert-parallel group holds, for one MoE layer.
#pragma once
#include <vector>

#include "spec/group_shape.h"

namespace moesim::exchange {

/// One layer's placement.  Slot s is on GPU s / slots_per_gpu; an expert in several slots is replicated.
struct ExpertMap {
  int experts = 0;
  int gpus = 0;
  int slots_per_gpu = 0;
  std::vector<int> slot_to_expert;  // (gpus * slots_per_gpu); -1 is an empty slot

  int slots() const { return gpus * slots_per_gpu; }
  int gpu_of(int slot) const { return slot / slots_per_gpu; }
  /// The slots that hold `expert`, ascending; O(slots).  Use CopyTable where it is asked often.
  std::vector<int> copies_of(int expert) const;
  bool operator==(const ExpertMap&) const = default;
};

/// Some expert is in more than one slot.
bool has_copies(const ExpertMap& map);

/// The slots of every expert, flat: those of expert e are slots[first[e]] .. slots[first[e + 1] - 1], ascending.
struct CopyTable {
  std::vector<int> first;  // (experts + 1)
  std::vector<int> slots;
};
CopyTable copy_table(const ExpertMap& map);

/// Expert e in slot e, consecutive experts on consecutive GPUs; with fewer GPUs than divide evenly the last GPUs have
/// empty slots.  Throws std::logic_error unless experts and gpus are positive.
ExpertMap contiguous_map(int experts, int gpus);

/// Throws std::logic_error naming what is wrong: sizes that do not fit, an id outside [-1, experts), an expert without
/// a slot.
void check_map(const ExpertMap& map);
}  // namespace moesim::exchange
