// Steps that several placement policies share: copies by load, slots as bins, copies of one expert kept apart.
#pragma once
#include <span>
#include <vector>

#include "placement/placement.h"

namespace moesim::placement {

/// A map of the problem's shape with every slot empty.
exchange::ExpertMap empty_map(int experts, const PlacementProblem& problem);

/// How many slots each expert gets: one each, then one more to the expert with the most load a copy (the first of
/// equals) while it has fewer copies than `most` and slots are left.
/// load: (experts).  Slots that would need more than `most` copies of every expert stay unused.
std::vector<int> copies_by_load(std::span<const double> load, int slots, int most);

/// Experts from most to least loaded, equals by id.
std::vector<int> by_load(std::span<const double> load);

/// The slots of one layer while they fill up: room and load of each GPU.
class Bins {
 public:
  Bins(int experts, const PlacementProblem& problem);
  bool has_room(int gpu) const { return used_[std::size_t(gpu)] < problem_.slots_on(gpu); }
  bool holds(int gpu, int expert) const;
  /// Into the GPU's first free slot.
  void add(int gpu, int expert, double load);
  /// Load over speed, were `extra` added.
  double time(int gpu, double extra = 0) const { return (load_[std::size_t(gpu)] + extra) / problem_.speed_of(gpu); }
  /// Of GPUs [first, last) with room: the one that would be done first with `extra`, one that does not hold `expert`
  /// before all others, the first of equals; -1 if all are full.
  int lightest(int expert, double extra, int first, int last) const;
  exchange::ExpertMap take() { return std::move(map_); }
  const exchange::ExpertMap& map() const { return map_; }

 private:
  const PlacementProblem& problem_;
  exchange::ExpertMap map_;
  std::vector<int> used_;
  std::vector<double> load_;
};

/// Greedy's placement of one layer (longest processing time first): where most searches start.
exchange::ExpertMap longest_first(std::span<const double> load, const PlacementProblem& problem);

/// Swaps slots until no GPU holds an expert twice, as far as swaps of two slots get there.  Lower slots first.
void separate_copies(exchange::ExpertMap& map);

/// Rows each slot computes when copies share their expert's load evenly.
std::vector<double> even_slot_loads(const exchange::ExpertMap& map, std::span<const double> load);
/// Load over speed of each GPU, copies sharing evenly.
std::vector<double> gpu_times(const exchange::ExpertMap& map, const PlacementProblem& problem,
                              std::span<const double> load);
}  // namespace moesim::placement
