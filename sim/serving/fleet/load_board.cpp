#include "serving/fleet/load_board.h"

#include <algorithm>

namespace moesim::serving {

/// Neighbours on the board are on different instances, for balancers that rotate.
LoadBoard::LoadBoard(const Fleet& fleet, bool decodes) {
  int most_ranks = 0;
  for (std::size_t i = 0; i < fleet.size(); ++i) {
    if ((fleet.pool_of(fleet[i]).role == Role::decode) != decodes) continue;
    members_.push_back(i);
    places_.emplace_back(std::size_t(fleet[i].instance->ranks()));
    most_ranks = std::max(most_ranks, fleet[i].instance->ranks());
  }
  for (int r = 0; r < most_ranks; ++r)
    for (std::size_t k = 0; k < members_.size(); ++k) {
      const Instance& instance = *fleet[members_[k]].instance;
      if (r >= instance.ranks()) continue;
      places_[k][std::size_t(r)] = loads_.size();
      loads_.push_back(instance.load(r));
      loads_.back().instance = int(members_[k]);
      ranks_.push_back(r);
      smallest_ = std::min(smallest_, loads_.back().kv_capacity);
    }
}

void LoadBoard::refresh(Fleet& fleet) {
  for (std::size_t k = 0; k < members_.size(); ++k) {
    Instance& instance = *fleet[members_[k]].instance;
    instance.take_changed(changed_);
    for (int r : changed_) {
      RankLoad& load = loads_[places_[k][std::size_t(r)]];
      load = instance.load(r);
      load.instance = int(members_[k]);
    }
  }
}

bool LoadBoard::all_can_take(const Fleet& fleet, std::int64_t tokens) const {
  if (tokens > smallest_) return false;
  for (const std::size_t m : members_)
    if (fleet[m].power != PowerState::on || fleet[m].instance->ranks_down() > 0) return false;
  return !members_.empty();
}
}  // namespace moesim::serving
