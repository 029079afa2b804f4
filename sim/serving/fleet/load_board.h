// The loads of all ranks that a balancer may choose from, kept up to date rank by rank.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "serving/fleet/fleet.h"

namespace moesim::serving {

/// The ranks that prompts (or that decoding requests) may be sent to.
class LoadBoard {
 public:
  /// decodes: of the pools that only decode; else of all others.
  LoadBoard(const Fleet& fleet, bool decodes);
  void refresh(Fleet& fleet);
  /// True if every rank is up and can ever hold so many tokens.
  bool all_can_take(const Fleet& fleet, std::int64_t tokens) const;
  std::span<RankLoad> loads() { return loads_; }
  /// The rank, within its instance, of each load.
  int rank(std::size_t place) const { return ranks_[place]; }

 private:
  std::vector<RankLoad> loads_;
  std::vector<int> ranks_;                        // of each load
  std::vector<std::size_t> members_;              // numbers of the instances
  std::vector<std::vector<std::size_t>> places_;  // (members, ranks) in `loads_`
  std::int64_t smallest_ = INT64_MAX;             // KV capacity of a rank
  std::vector<int> changed_;                      // scratch
};
}  // namespace moesim::serving
