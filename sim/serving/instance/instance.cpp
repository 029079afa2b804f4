#include "serving/instance/instance.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/check.h"

namespace moesim::serving {
namespace {
/// Its KV cache is lost: all is computed anew.
void start_over(Live& l) {
  l.computed = 0;
  l.swapped = false;
  l.target = l.request.input + l.generated;
  ++l.retries;
}
}  // namespace

Instance::Instance(Engine& engine, Requests& requests, InstanceOwner& owner, const InstanceShape& shape,
                   const Batcher& batcher, std::unique_ptr<StepModel> step_model, std::uint64_t seed)
    : context_{.engine = engine,
               .requests = requests,
               .owner = owner,
               .shape = shape,
               .batcher = batcher,
               .drafts = Random(seed, fmt::format("instance {} drafts", shape.number)),
               .changed = ChangedRanks(shape.ranks)},
      step_model_(std::move(step_model)),
      batches_(std::size_t(shape.stages)),
      clock_(shape.stages) {
  ranks_.reserve(std::size_t(shape.ranks));  // batches refer to them
  for (int r = 0; r < shape.ranks; ++r) ranks_.emplace_back(context_, r);
  for (PipelineBatch& batch : batches_) {
    batch.ranks.reserve(ranks_.size());
    for (Rank& rank : ranks_) batch.ranks.emplace_back(context_, rank);
    batch.work.ranks.resize(ranks_.size());
  }
}

void Instance::enqueue(std::uint32_t slot, int rank) {
  ranks_[std::size_t(rank)].enqueue(slot);
  report_change(ranks_[std::size_t(rank)]);
  kick();
}

/// Tells the owner how many more wait, have a place, and hold of the caches than at the last call.
void Instance::report_change() {
  InstanceOwner::Change change;
  for (Rank& rank : ranks_) rank.report(change);
  if (change.any()) context_.owner.changed(context_.shape.number, change);
}

void Instance::report_change(Rank& rank) {
  InstanceOwner::Change change;
  rank.report(change);
  if (change.any()) context_.owner.changed(context_.shape.number, change);
}

void Instance::warm(std::span<const std::uint64_t> hashes) {
  for (Rank& rank : ranks_) rank.warm(hashes);
}

void Instance::settle() {
  for (PipelineBatch& batch : batches_)
    for (RankBatch& rank : batch.ranks) rank.settle();
}

void Instance::received(std::uint32_t slot) {
  Live& l = context_.live(slot);
  Rank& rank = ranks_[std::size_t(l.hold.rank)];
  l.remote = false;
  l.state = RequestState::decode;
  if (!rank.up()) {  // lost on arrival
    rank.let_go(l.hold, l);
    rank.leave();
    report_change(rank);
    start_over(l);
    return context_.owner.homeless(slot);
  }
  const auto size = [&](const PipelineBatch& batch) { return batch.ranks[std::size_t(l.hold.rank)].decoding(); };
  std::ranges::min_element(batches_, {}, size)->ranks[std::size_t(l.hold.rank)].join(slot);
  kick();
}

void Instance::release_source(std::uint32_t slot) {
  Live& l = context_.live(slot);
  Rank& rank = ranks_[std::size_t(l.source.rank)];
  rank.let_go(l.source, l);
  report_change(rank);
  kick();
}

std::int64_t Instance::cached_tokens(int rank, const Request& request) const {
  const KvCache& kv = cache(rank);
  return std::int64_t(kv.match(request.hashes).blocks) * kv.hash_block();
}

bool Instance::empty() const {
  return std::ranges::all_of(ranks_, [](const Rank& r) { return r.queue().requests() == 0; });
}

void Instance::hold_until(Time moment) {
  if (clock_.hold_until(moment)) context_.engine.at(moment, "instance resumes", [this] { kick(); });
}

std::int64_t Instance::lose_rank(int number, bool stays_down) {
  Rank& rank = ranks_[std::size_t(number)];
  std::vector<std::uint32_t> homeless;
  for (PipelineBatch& batch : batches_) batch.ranks[std::size_t(number)].abandon(homeless);
  std::int64_t lost = 0;
  for (std::uint32_t slot : homeless) {
    Live& l = context_.live(slot);
    lost += l.computed;
    rank.let_go(l.hold, l);
    rank.leave();
  }
  ranks_down_ += int(stays_down) - int(!rank.up());
  const std::deque<std::uint32_t> queue = rank.lose(stays_down);
  homeless.insert(homeless.end(), queue.begin(), queue.end());
  report_change(rank);
  std::ranges::sort(homeless, {}, [&](std::uint32_t slot) { return context_.live(slot).id; });
  for (std::uint32_t slot : homeless) {
    Live& l = context_.live(slot);
    if (!l.remote) start_over(l);
    l.hold = {};
    context_.owner.homeless(slot);
  }
  rank.clear_if_unused();
  return lost;
}

void Instance::restore_rank(int rank) {
  ranks_down_ -= int(!rank_up(rank));
  ranks_[std::size_t(rank)].restore();
  kick();
}
}  // namespace moesim::serving
