// The paged KV cache of one attention rank: private blocks of running requests, and prefix blocks that requests share,
// with a host and a disk tier below the GPU's memory, and a store that ranks share below these.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "serving/instance/prefix_store.h"

namespace moesim::serving {

/// All capacities in tokens that all layers hold.
struct KvShape {
  std::int64_t capacity = 0;  ///< of the GPU tier
  int block = 64;             ///< private blocks are whole
  int hash_block = 0;         ///< tokens of a prefix block; 0 turns the prefix cache off
  std::int64_t host = 0, disk = 0;
  std::int64_t window = 0;  ///< tokens of a request that sliding-window layers keep; 0: there are no such layers
  double beyond = 1;        ///< what a token takes that only the other layers keep
  std::shared_ptr<PrefixStore> store{};  ///< of all ranks with this shape: every shared block is written to it
  std::int64_t state = 0;  ///< what a request takes besides, whatever its length: states of layers that keep no tokens

  /// What `tokens` of one request take, and how many tokens fit into so much.
  std::int64_t space(std::int64_t tokens) const {
    if (window == 0 || tokens <= window) return state + tokens;
    return state + window + std::int64_t(std::ceil(double(tokens - window) * beyond));
  }
  std::int64_t fits(std::int64_t space) const {
    space = std::max<std::int64_t>(0, space - state);
    if (window == 0 || space <= window) return space;
    return beyond > 0 ? window + std::int64_t(double(space - window) / beyond) : INT64_MAX / 4;
  }
};

class KvCache {
 public:
  explicit KvCache(const KvShape& shape);

  /// Private space that `tokens` of a request take, in whole blocks.
  std::int64_t space(std::int64_t tokens) const { return rounded(shape_.space(tokens)); }
  std::int64_t fits(std::int64_t space) const { return shape_.fits(space); }
  /// Takes `tokens` of private space, rounded up to whole blocks, evicting unused prefix blocks; all or nothing.
  bool take(std::int64_t tokens);
  /// Gives back what take() rounded to.
  void give(std::int64_t tokens);
  std::int64_t rounded(std::int64_t tokens) const;

  /// Leading blocks of `hashes` that some tier holds.
  struct Match {
    int blocks = 0;                      ///< in any tier or the store
    int host = 0, disk = 0, remote = 0;  ///< of these, not on the GPU; in the store alone
  };
  Match match(std::span<const std::uint64_t> hashes) const;
  /// Holds the first `blocks` of `hashes` (all present) on the GPU until unpin(); all or nothing.
  bool pin(std::span<const std::uint64_t> hashes, int blocks);
  /// Turns private space of blocks [from, to) that were just computed into shared, pinned blocks.  A block that another
  /// request has put there meanwhile is pinned instead, and the private copy freed.
  void publish(std::span<const std::uint64_t> hashes, int from, int to);
  /// Lets go of the first `blocks`; they stay until their space is needed.
  void unpin(std::span<const std::uint64_t> hashes, int blocks);
  /// Keeps `blocks` prefix blocks that nobody will ask for, until their space is needed: all at once.
  void retire(std::int64_t blocks);
  /// Forgets everything: the GPU was lost.  What requests hold must have been given back.
  void clear();

  std::int64_t capacity() const { return shape_.capacity; }
  int hash_block() const { return shape_.hash_block; }
  std::int64_t in_use() const { return private_ + pinned_; }  ///< tokens that cannot be evicted
  std::int64_t cached() const { return tier_[0].tokens; }     ///< unused prefix blocks on the GPU
  std::int64_t available() const { return shape_.capacity - in_use(); }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  struct Block {
    std::uint64_t hash = 0;
    std::uint32_t older = kNone, newer = kNone;  // in its tier's list, while unpinned
    std::int32_t pins = 0;
    std::int32_t unnamed = 0;  // prefix blocks that it stands for and that have no hash; 0: one that has
    std::uint8_t tier = 0;     // 0 GPU, 1 host, 2 disk
  };
  struct Tier {
    std::uint32_t oldest = kNone, newest = kNone;
    std::int64_t tokens = 0;
  };
  std::int64_t tokens(const Block& block) const { return std::int64_t(shape_.hash_block) * std::max(1, block.unnamed); }
  std::uint32_t new_block(const Block& block);
  void append(std::uint32_t block, std::uint8_t tier);
  void remove(std::uint32_t block);
  void forget(std::uint32_t block);
  bool make_room(std::int64_t tokens);
  void demote(std::uint32_t block);

  KvShape shape_;
  std::int64_t private_ = 0, pinned_ = 0;
  std::array<Tier, 3> tier_;
  std::vector<Block> blocks_;
  std::vector<std::uint32_t> free_;
  std::unordered_map<std::uint64_t, std::uint32_t> by_hash_;  // looked up only, never walked
};
}  // namespace moesim::serving
