#include "serving/instance/kv_cache.h"

#include "core/ceil_div.h"
#include "core/check.h"

namespace moesim::serving {

KvCache::KvCache(const KvShape& shape) : shape_(shape) {
  check(shape.block > 0 && shape.hash_block >= 0, "a KV cache needs blocks of at least one token");
}

std::int64_t KvCache::rounded(std::int64_t tokens) const { return ceil_div(tokens, shape_.block) * shape_.block; }

void KvCache::append(std::uint32_t block, std::uint8_t tier) {
  Tier& list = tier_[tier];
  Block& b = blocks_[block];
  b.tier = tier;
  b.older = list.newest;
  b.newer = kNone;
  (list.newest == kNone ? list.oldest : blocks_[list.newest].newer) = block;
  list.newest = block;
  list.tokens += tokens(b);
}

void KvCache::remove(std::uint32_t block) {
  Block& b = blocks_[block];
  Tier& list = tier_[b.tier];
  (b.older == kNone ? list.oldest : blocks_[b.older].newer) = b.newer;
  (b.newer == kNone ? list.newest : blocks_[b.newer].older) = b.older;
  list.tokens -= tokens(b);
}

void KvCache::forget(std::uint32_t block) {
  if (blocks_[block].unnamed == 0) by_hash_.erase(blocks_[block].hash);
  free_.push_back(block);
}

/// Moves an unused block one tier down, where the oldest makes place for it; off the last tier it is gone.
void KvCache::demote(std::uint32_t block) {
  const std::uint8_t from = blocks_[block].tier;
  const std::int64_t size = tokens(blocks_[block]);
  remove(block);
  for (std::uint8_t to = std::uint8_t(from + 1); to <= 2; ++to) {
    const std::int64_t capacity = to == 1 ? shape_.host : shape_.disk;
    if (capacity < size) continue;
    while (tier_[to].tokens + size > capacity) demote(tier_[to].oldest);
    return append(block, to);
  }
  forget(block);
}

bool KvCache::make_room(std::int64_t tokens) {
  if (in_use() + tokens > shape_.capacity) return false;
  while (in_use() + cached() + tokens > shape_.capacity) demote(tier_[0].oldest);
  return true;
}

bool KvCache::take(std::int64_t tokens) {
  if (!make_room(rounded(tokens))) return false;
  private_ += rounded(tokens);
  return true;
}

void KvCache::give(std::int64_t tokens) {
  private_ -= rounded(tokens);
  check(private_ >= 0, "a KV cache got back more than it gave: {} tokens too many", -private_);
}

KvCache::Match KvCache::match(std::span<const std::uint64_t> hashes) const {
  Match out;
  if (shape_.hash_block == 0) return out;
  for (std::uint64_t hash : hashes) {
    const auto found = by_hash_.find(hash);
    if (found == by_hash_.end()) {
      if (shape_.store == nullptr || !shape_.store->has(hash)) break;
      ++out.blocks;
      ++out.remote;
      continue;
    }
    ++out.blocks;
    const Block& b = blocks_[found->second];
    out.host += b.tier == 1;
    out.disk += b.tier == 2;
  }
  return out;
}

bool KvCache::pin(std::span<const std::uint64_t> hashes, int blocks) {
  std::int64_t more = 0, below = 0;
  for (int i = 0; i < blocks; ++i) {
    const auto found = by_hash_.find(hashes[std::size_t(i)]);
    more += found == by_hash_.end() || blocks_[found->second].pins == 0;
    below += found == by_hash_.end() || blocks_[found->second].tier != 0;
  }
  if (in_use() + more * shape_.hash_block > shape_.capacity) return false;
  for (int i = blocks - 1; i >= 0; --i) {  // the first block last, so that chains are evicted from their end
    const auto [entry, fresh] = by_hash_.try_emplace(hashes[std::size_t(i)], 0);
    if (shape_.store) shape_.store->put(entry->first);
    if (fresh) {  // from the store
      entry->second = new_block({.hash = entry->first, .pins = 1});
      pinned_ += shape_.hash_block;
      continue;
    }
    Block& b = blocks_[entry->second];
    if (b.pins++ > 0) continue;
    remove(entry->second);
    b.tier = 0;
    pinned_ += shape_.hash_block;
  }
  return below == 0 || make_room(0);
}

void KvCache::publish(std::span<const std::uint64_t> hashes, int from, int to) {
  for (int i = from; i < to; ++i) {
    const auto [entry, fresh] = by_hash_.try_emplace(hashes[std::size_t(i)], 0);
    private_ -= shape_.hash_block;
    check(private_ >= 0, "a KV cache published more than was taken");
    if (shape_.store) shape_.store->put(entry->first);
    if (fresh) {
      entry->second = new_block({.hash = entry->first, .pins = 1});
      pinned_ += shape_.hash_block;
      continue;
    }
    Block& b = blocks_[entry->second];
    if (b.pins++ == 0) {
      remove(entry->second);
      b.tier = 0;
      pinned_ += shape_.hash_block;
    }
  }
}

std::uint32_t KvCache::new_block(const Block& block) {
  if (free_.empty()) {
    blocks_.push_back(block);
    return std::uint32_t(blocks_.size() - 1);
  }
  const std::uint32_t at = free_.back();
  free_.pop_back();
  blocks_[at] = block;
  return at;
}

void KvCache::retire(std::int64_t blocks) {
  if (blocks > 0 && make_room(blocks * shape_.hash_block)) append(new_block({.unnamed = std::int32_t(blocks)}), 0);
}

void KvCache::unpin(std::span<const std::uint64_t> hashes, int blocks) {
  for (int i = blocks - 1; i >= 0; --i) {
    const std::uint32_t at = by_hash_.at(hashes[std::size_t(i)]);
    if (--blocks_[at].pins > 0) continue;
    pinned_ -= shape_.hash_block;
    append(at, 0);
  }
}

void KvCache::clear() {
  check(in_use() == 0, "a KV cache is cleared while {} tokens are in use", in_use());
  const KvShape shape = shape_;
  *this = KvCache(shape);
}
}  // namespace moesim::serving
