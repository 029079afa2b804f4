// One attention rank of an instance: its queue, its KV cache, and the requests that come and go.
#pragma once
#include <cstdint>
#include <deque>

#include "serving/instance/instance_context.h"
#include "serving/instance/rank_cache.h"
#include "serving/instance/rank_load.h"
#include "serving/instance/rank_queue.h"

namespace moesim::serving {

class Rank {
 public:
  Rank(InstanceContext& context, int number);

  int number() const { return number_; }
  bool up() const { return up_; }
  RankLoad load() const;
  const RankQueue& queue() const { return queue_; }
  const KvCache& kv() const { return cache_.kv(); }
  /// Whether another request may be given a place.
  bool has_place() const { return queue_.placed() < context_.batcher.max_requests(); }

  void enqueue(std::uint32_t slot);
  /// Makes room for remote requests at the head of the queue and has their KV caches sent.
  void pull();
  /// What of the first waiting request's prompt is cached; nothing if it has none to compute here.
  std::optional<KvCache::Match> startable() const;
  /// The first waiting request starts if its KV cache fits now.  Returns what of its prompt is cached.
  std::optional<KvCache::Match> start_front();
  /// The first waiting request comes back from host memory; false if it does not, or does not fit.
  bool swap_in_front();
  /// Pieces of prompts were computed.
  void computed(std::int64_t tokens);
  bool grow(std::int64_t space);
  void publish(Live& live);
  /// Gives back the KV cache a request holds; it still has its place.
  void let_go(Hold& hold, const Live& live);
  /// The request gives up its place.
  void leave() { queue_.leave(); }
  /// A request that decodes loses its place to an older one, and waits to be computed anew or swapped in.
  void preempt(std::uint32_t slot);
  /// The rank's GPUs are lost: the batches' requests are gone from it.  Returns those that waited.
  std::deque<std::uint32_t> lose(bool stays_down);
  void warm(std::span<const std::uint64_t> hashes) { cache_.warm(hashes); }
  void clear_if_unused() { cache_.clear_if_unused(); }
  void restore() { up_ = true; }
  /// Adds what has changed since the last call.
  void report(InstanceOwner::Change& change);

 private:
  void touch() { context_.changed.touch(number_); }
  std::int64_t kv_of(const Live& live) const { return context_.shape.kv.space(kv_needed(live)); }

  InstanceContext& context_;
  int number_;
  bool up_ = true;
  RankQueue queue_;
  RankCache cache_;
  InstanceOwner::Change reported_;  // as of the last report
};
}  // namespace moesim::serving
