#include "serving/instance/rank_cache.h"

#include <algorithm>

namespace moesim::serving {

KvCache::Match RankCache::usable(const Live& live) const {
  if (kv_.hash_block() == 0) return {};
  const std::size_t most = std::size_t((live.target - 1) / kv_.hash_block());
  return kv_.match(std::span(live.request.hashes).first(std::min(most, live.request.hashes.size())));
}

std::optional<KvCache::Match> RankCache::admit(Live& live, bool alone) {
  const KvCache::Match match = usable(live);
  if (!kv_.pin(live.request.hashes, match.blocks)) return std::nullopt;
  if (!take_in(live, live.target - tokens(match), alone)) {
    kv_.unpin(live.request.hashes, match.blocks);
    return std::nullopt;
  }
  live.hold.pinned = match.blocks;
  return match;
}

bool RankCache::take_in(Live& live, std::int64_t tokens, bool alone) {
  return kv_.available() >= kv_.space(tokens) + (alone ? 0 : spare_) && take_back(live, tokens);
}

bool RankCache::take_back(Live& live, std::int64_t tokens) {
  const std::int64_t need = kv_.space(tokens);
  if (!kv_.take(need)) return false;
  live.hold.taken = need;
  return true;
}

void RankCache::warm(std::span<const std::uint64_t> hashes) {
  if (kv_.hash_block() == 0 || !kv_.take(std::int64_t(hashes.size()) * kv_.hash_block())) return;
  kv_.publish(hashes, 0, int(hashes.size()));
  kv_.unpin(hashes, int(hashes.size()));
}

void RankCache::let_go(Hold& hold, const Live& live) {
  kv_.give(hold.taken);
  kv_.unpin(live.request.hashes, hold.pinned);
  if (kv_.hash_block() > 0 && live.request.unique_blocks > 0) {
    const std::int64_t named = std::int64_t(live.request.hashes.size());
    kv_.retire(std::min<std::int64_t>(live.computed / kv_.hash_block() - named, live.request.unique_blocks));
  }
  hold.taken = 0;
  hold.pinned = 0;
}

void RankCache::publish(Live& l) {
  if (kv_.hash_block() == 0 || l.request.hashes.empty()) return;
  const int to = int(std::min<std::int64_t>(l.computed / kv_.hash_block(), std::int64_t(l.request.hashes.size())));
  if (to <= l.hold.pinned) return;
  const std::int64_t moved = std::int64_t(to - l.hold.pinned) * kv_.hash_block();
  // A shared block is whole, also in layers that keep only a window of a request of its own.
  const std::int64_t rest = kv_.space(std::max<std::int64_t>(0, l.computed - std::int64_t(to) * kv_.hash_block()));
  if (const std::int64_t more = moved + rest - l.hold.taken; more > 0) {
    if (!kv_.take(more)) return;
    l.hold.taken += kv_.rounded(more);
  }
  kv_.publish(l.request.hashes, l.hold.pinned, to);
  l.hold.taken -= moved;
  l.hold.pinned = to;
}
}  // namespace moesim::serving
