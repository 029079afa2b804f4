// Room in the KV caches of an instance: remote requests pulled in, blocks for new tokens, preemption, shared prefixes.
#include "serving/instance/instance.h"

#include <algorithm>

namespace moesim {
/// Makes room for remote requests at the head of the queue and has their KV caches sent.
void Instance::pull(int rank) {
  auto& queue = waiting_[std::size_t(rank)];
  KvCache& kv = kv_[std::size_t(rank)];
  while (!queue.empty() && held_[std::size_t(rank)] < batcher_.max_requests()) {
    Live& l = live(queue.front());
    const std::int64_t need = kv.space(l.computed);
    const std::int64_t spare =
        held_[std::size_t(rank)] == 0 ? 0 : std::int64_t(shape_.watermark * double(kv.capacity()));
    if (!l.remote || kv.available() < need + spare || !kv.take(need)) return;
    l.hold.taken = need;
    l.stage = Stage::transfer;
    ++held_[std::size_t(rank)];
    promised_[std::size_t(rank)] -= shape_.kv.space(kv_needed(l));
    touch(rank);
    const std::uint32_t slot = queue.front();
    queue.pop_front();
    owner_.fetch(slot);
  }
}

void Instance::received(std::uint32_t slot) {
  Live& l = live(slot);
  l.remote = false;
  l.stage = Stage::decode;
  if (down_[std::size_t(l.hold.rank)]) {  // lost on arrival
    const int rank = l.hold.rank;
    let_go(l.hold, l);
    --held_[std::size_t(rank)];
    start_over(l);
    return owner_.homeless(slot);
  }
  std::size_t best = 0;  // the pipeline batch with the fewest requests
  for (std::size_t i = 1; i < lanes_.size(); ++i) {
    const auto size = [&](std::size_t at) {
      return seat(at, l.hold.rank).decoding.size() + seat(at, l.hold.rank).arrived.size();
    };
    if (size(i) < size(best)) best = i;
  }
  seat(best, l.hold.rank).arrived.push_back(slot);
  kick();
}

void Instance::let_go(Hold& hold, const Live& live) {
  KvCache& kv = kv_[std::size_t(hold.rank)];
  kv.give(hold.taken);
  kv.unpin(live.request.hashes, hold.pinned);
  if (kv.hash_block() > 0 && live.request.unique_blocks > 0) {
    const std::int64_t named = std::int64_t(live.request.hashes.size());
    kv.retire(std::min<std::int64_t>(live.computed / kv.hash_block() - named, live.request.unique_blocks));
  }
  hold.taken = 0;
  hold.pinned = 0;
  touch(hold.rank);
}

void Instance::release_source(std::uint32_t slot) {
  Live& l = live(slot);
  let_go(l.source, l);
  kick();
}

/// Requests that come back from host memory or from another instance join before the batcher looks.
void Instance::prepare(Seat& to, int rank) {
  for (std::uint32_t slot : to.arrived) add_to_decode(slot, to);
  to.arrived.clear();
  to.decodes = false;
  auto& queue = waiting_[std::size_t(rank)];
  KvCache& kv = kv_[std::size_t(rank)];
  while (!queue.empty() && live(queue.front()).swapped && held_[std::size_t(rank)] < batcher_.max_requests()) {
    Live& l = live(queue.front());
    const std::int64_t need = kv.space(l.computed + 1);
    if (!kv.take(need)) return;
    l.hold.taken = need;
    l.swapped = false;
    if (shape_.host.v > 0) stall_ += shape_.kv_bytes(l.computed) / shape_.host;
    ++held_[std::size_t(rank)];
    promised_[std::size_t(rank)] -= shape_.kv.space(kv_needed(l));
    touch(rank);
    add_to_decode(queue.front(), to);
    queue.pop_front();
  }
}

/// Takes a block for the request at `at`; if there is none, the youngest request loses its place.  False if that was
/// the request itself.
bool Instance::grow(Seat& s, int rank, std::size_t at) {
  KvCache& kv = kv_[std::size_t(rank)];
  DecodeSet& all = s.decoding;
  const std::int64_t more = kv.rounded(1 + shape_.speculation.drafts());
  touch(rank);
  while (!kv.take(more)) {
    std::size_t youngest = 0;
    for (std::size_t i = 1; i < all.size(); ++i)
      if (live(all.slot(i)).id > live(all.slot(youngest)).id) youngest = i;
    preempt(s, rank, youngest);
    if (youngest == at) return false;
    at -= youngest < at;
  }
  const std::int64_t taken = all.taken(at), room = kv.fits(taken + more) - kv.fits(taken);
  all.grow(at, std::int32_t(std::min<std::int64_t>(room, kMostRoom)), more);
  return true;
}

void Instance::preempt(Seat& s, int rank, std::size_t at) {
  const std::uint32_t slot = s.decoding.slot(at);
  Live& l = live(slot);
  leave_decode(s.decoding, at);
  s.decoding.erase(at);
  let_go(l.hold, l);
  ++l.preemptions;
  ++totals_.preemptions;
  --held_[std::size_t(rank)];
  promised_[std::size_t(rank)] += shape_.kv.space(kv_needed(l));
  l.stage = Stage::waiting;
  if (shape_.preemption == Preemption::swap) {
    l.swapped = true;
    if (shape_.host.v > 0) stall_ += shape_.kv_bytes(l.computed) / shape_.host;
  } else {
    l.computed = 0;
    l.target = l.request.input + l.generated;
    pending_[std::size_t(rank)] += l.target;
  }
  waiting_[std::size_t(rank)].push_front(slot);
}

/// Full blocks that were computed become visible to other requests.
void Instance::publish(Live& l) {
  KvCache& kv = kv_[std::size_t(l.hold.rank)];
  if (kv.hash_block() == 0 || l.request.hashes.empty()) return;
  const int to = int(std::min<std::int64_t>(l.computed / kv.hash_block(), std::int64_t(l.request.hashes.size())));
  if (to <= l.hold.pinned) return;
  const std::int64_t moved = std::int64_t(to - l.hold.pinned) * kv.hash_block();
  // A shared block is whole, also in layers that keep only a window of a request of its own.
  const std::int64_t rest = kv.space(std::max<std::int64_t>(0, l.computed - std::int64_t(to) * kv.hash_block()));
  if (const std::int64_t more = moved + rest - l.hold.taken; more > 0) {
    if (!kv.take(more)) return;
    l.hold.taken += kv.rounded(more);
  }
  kv.publish(l.request.hashes, l.hold.pinned, to);
  touch(l.hold.rank);
  l.hold.taken -= moved;
  l.hold.pinned = to;
}
}  // namespace moesim
