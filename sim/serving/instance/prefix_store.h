// A store of prompts' KV caches that all ranks of a pool write to and read from, over the network.
#pragma once
#include <cstdint>
#include <list>
#include <unordered_map>

namespace moesim::serving {

/// Prefix blocks by their hash; the one that was not asked for longest makes room.
class PrefixStore {
 public:
  /// blocks: that it holds at most.
  explicit PrefixStore(std::int64_t blocks) : most_(blocks) {}

  bool has(std::uint64_t hash) const { return by_hash_.contains(hash); }
  /// Keeps the block as the newest, whether it was there or not.
  void put(std::uint64_t hash);
  std::int64_t blocks() const { return std::int64_t(order_.size()); }

 private:
  std::int64_t most_;
  std::list<std::uint64_t> order_;                                                 // oldest first
  std::unordered_map<std::uint64_t, std::list<std::uint64_t>::iterator> by_hash_;  // looked up only, never walked
};
}  // namespace moesim::serving
