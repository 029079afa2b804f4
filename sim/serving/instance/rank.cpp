#include "serving/instance/rank.h"

#include "core/check.h"

namespace moesim::serving {
namespace {
KvShape cache_shape(const InstanceShape& shape, int rank) {
  KvShape out = shape.kv;
  if (!shape.kv_capacity.empty()) out.capacity = shape.kv_capacity[std::size_t(rank)];
  return out;
}
}  // namespace

Rank::Rank(InstanceContext& context, int number)
    : context_(context), number_(number), cache_(cache_shape(context.shape, number), context.shape.watermark) {}

RankLoad Rank::load() const {
  return {.instance = context_.shape.number,
          .requests = queue_.requests(),
          .tokens = queue_.prompt_tokens(),
          .kv_used = kv().in_use() + queue_.promised(),
          .kv_capacity = kv().capacity(),
          .cached = 0};
}

void Rank::enqueue(std::uint32_t slot) {
  Live& l = context_.live(slot);
  check(up_, "a request is sent to rank {} of instance {}, which is down", number_, context_.shape.number);
  l.state = RequestState::waiting;
  l.hold = {context_.shape.number, number_, 0, 0};
  touch();
  queue_.push(slot, kv_of(l), l.remote ? 0 : l.target);
  if (l.remote) pull();
}

void Rank::pull() {
  while (!queue_.empty() && has_place()) {
    const std::uint32_t slot = queue_.front();
    Live& l = context_.live(slot);
    if (!l.remote || !cache_.take_in(l, l.computed, queue_.placed() == 0)) return;
    l.state = RequestState::transfer;
    queue_.place_front(kv_of(l));
    touch();
    context_.owner.fetch(slot);
  }
}

std::optional<KvCache::Match> Rank::startable() const {
  if (queue_.empty() || !has_place()) return std::nullopt;
  const Live& live = context_.live(queue_.front());
  if (live.remote || live.swapped) return std::nullopt;
  return cache_.usable(live);
}

std::optional<KvCache::Match> Rank::start_front() {
  Live& live = context_.live(queue_.front());
  const std::optional<KvCache::Match> match = cache_.admit(live, queue_.placed() == 0);  // alone it may use all
  if (!match) return std::nullopt;
  queue_.place_front(kv_of(live));
  live.computed = std::int32_t(cache_.tokens(*match));
  live.state = RequestState::prompt;
  if (!live.started) {
    live.started = true;
    live.start = context_.engine.now();
    live.cached = live.computed;
    context_.totals.prompt_tokens += live.request.input;
    context_.totals.cached_tokens += live.computed;
  }
  computed(live.computed);
  return match;
}

bool Rank::swap_in_front() {
  if (queue_.empty() || !has_place()) return false;
  Live& l = context_.live(queue_.front());
  if (!l.swapped || !cache_.take_back(l, l.computed + 1)) return false;
  l.swapped = false;
  if (context_.shape.host.v > 0) context_.stall += context_.shape.kv_bytes(l.computed) / context_.shape.host;
  queue_.place_front(kv_of(l));
  touch();
  return true;
}

void Rank::computed(std::int64_t tokens) {
  queue_.computed(tokens);
  touch();
}

bool Rank::grow(std::int64_t space) {
  touch();
  return cache_.grow(space);
}

void Rank::publish(Live& live) {
  cache_.publish(live);
  touch();
}

void Rank::let_go(Hold& hold, const Live& live) {
  cache_.let_go(hold, live);
  touch();
}

void Rank::preempt(std::uint32_t slot) {
  Live& l = context_.live(slot);
  let_go(l.hold, l);
  ++l.preemptions;
  ++context_.totals.preemptions;
  l.state = RequestState::waiting;
  if (context_.shape.preemption == Preemption::swap) {
    l.swapped = true;
    if (context_.shape.host.v > 0) context_.stall += context_.shape.kv_bytes(l.computed) / context_.shape.host;
    return queue_.displace(slot, kv_of(l), 0);
  }
  l.computed = 0;
  l.target = l.request.input + l.generated;
  queue_.displace(slot, kv_of(l), l.target);
}

void Rank::report(InstanceOwner::Change& change) {
  const int placed = queue_.placed(), waiting = queue_.requests() - placed;
  const std::int64_t kv = cache_.kv().in_use();
  change.waiting += waiting - reported_.waiting;
  change.placed += placed - reported_.placed;
  change.kv += kv - reported_.kv;
  reported_ = {waiting, placed, kv};
}

std::deque<std::uint32_t> Rank::lose(bool stays_down) {
  up_ = !stays_down;
  touch();
  return queue_.abandon();
}
}  // namespace moesim::serving
