// What requests hold of one attention rank's KV cache: room to start, room to grow, prefixes that they share.
#pragma once
#include <cstdint>
#include <optional>
#include <span>

#include "serving/instance/kv_cache.h"
#include "serving/requests/live.h"

namespace moesim::serving {

class RankCache {
 public:
  /// watermark: share of the cache that starting requests leave free, unless they are alone.
  RankCache(const KvShape& shape, double watermark)
      : kv_(shape), spare_(std::int64_t(watermark * double(shape.capacity))) {}

  const KvCache& kv() const { return kv_; }
  /// Cached blocks that the request can use: at least one token must be computed for the next to come out.
  KvCache::Match usable(const Live& live) const;
  std::int64_t tokens(const KvCache::Match& match) const { return std::int64_t(match.blocks) * kv_.hash_block(); }
  /// Holds what of the prompt is cached and takes the space of the rest, both noted in live.hold; all or nothing.
  std::optional<KvCache::Match> admit(Live& live, bool alone);
  /// Takes the space of the first `tokens` of a request whose KV cache comes from elsewhere, noted in live.hold; false
  /// if there is none.
  bool take_in(Live& live, std::int64_t tokens, bool alone);
  /// The same for one that comes back from host memory and may use all.
  bool take_back(Live& live, std::int64_t tokens);
  /// Takes `space`; false if there is none.
  bool grow(std::int64_t space) { return kv_.take(space); }
  /// Gives back what a request holds here.  Its full blocks stay until their space is needed.
  void let_go(Hold& hold, const Live& live);
  /// Full blocks that were computed become visible to other requests.
  void publish(Live& live);
  /// Keeps a prefix that nobody has computed here, where it fits.
  void warm(std::span<const std::uint64_t> hashes);
  /// The GPU was lost; nothing happens while requests on their way hold a part.
  void clear_if_unused() {
    if (kv_.in_use() == 0) kv_.clear();
  }

 private:
  KvCache kv_;
  std::int64_t spare_;  // tokens
};
}  // namespace moesim::serving
