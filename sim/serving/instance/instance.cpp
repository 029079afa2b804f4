#include "serving/instance/instance.h"

#include <algorithm>

#include "core/check.h"

namespace moesim {
Instance::Instance(Engine& engine, Requests& requests, InstanceOwner& owner, const InstanceShape& shape,
                   const Batcher& batcher, std::unique_ptr<StepCost> cost, std::uint64_t seed)
    : engine_(engine),
      requests_(requests),
      owner_(owner),
      shape_(shape),
      batcher_(batcher),
      cost_(std::move(cost)),
      random_(seed, fmt::format("instance {} drafts", shape.number)),
      waiting_(std::size_t(shape.ranks)),
      held_(std::size_t(shape.ranks)),
      pending_(std::size_t(shape.ranks)),
      promised_(std::size_t(shape.ranks)),
      down_(std::size_t(shape.ranks)),
      touched_(std::size_t(shape.ranks)),
      lanes_(std::size_t(shape.stages)),
      stage_free_(std::size_t(shape.stages)) {
  for (int r = 0; r < shape.ranks; ++r) {
    KvShape kv = shape.kv;
    if (!shape.kv_capacity.empty()) kv.capacity = shape.kv_capacity[std::size_t(r)];
    kv_.emplace_back(kv);
  }
  for (Lane& lane : lanes_) {
    lane.seats.resize(std::size_t(shape.ranks));
    lane.work.ranks.resize(std::size_t(shape.ranks));
  }
}

void Instance::enqueue(std::uint32_t slot, int rank) {
  Live& l = live(slot);
  check(!down_[std::size_t(rank)], "a request is sent to rank {} of instance {}, which is down", rank, shape_.number);
  l.stage = Stage::waiting;
  l.hold = {shape_.number, rank, 0, 0};
  touch(rank);
  waiting_[std::size_t(rank)].push_back(slot);
  promised_[std::size_t(rank)] += shape_.kv.space(kv_needed(l));
  if (l.remote)
    pull(rank);
  else
    pending_[std::size_t(rank)] += l.target;
  kick();
}

void Instance::hold_until(Time moment) {
  if (moment <= not_before_) return;
  not_before_ = moment;
  engine_.at(moment, "instance resumes", [this] { kick(); });
}

void Instance::kick() {
  if (kicked_ || std::ranges::all_of(lanes_, &Lane::running)) return;
  kicked_ = true;
  engine_.after(
      {}, "step formed",
      [this] {
        kicked_ = false;
        for (std::size_t l = 0; l < lanes_.size(); ++l)
          if (!lanes_[l].running) start(l);
      },
      Phase::decide);
}

RankLoad Instance::load(int rank) const {
  const std::size_t r = std::size_t(rank);
  return {.instance = shape_.number,
          .requests = held_[r] + int(waiting_[r].size()),
          .tokens = pending_[r],
          .kv_used = kv_[r].in_use() + promised_[r],
          .kv_capacity = kv_[r].capacity(),
          .cached = 0};
}

void Instance::take_changed(std::vector<int>& ranks) {
  ranks.swap(changed_);
  changed_.clear();
  for (int r : ranks) touched_[std::size_t(r)] = false;
}

std::int64_t Instance::cached_tokens(int rank, const Request& request) const {
  const KvCache& kv = kv_[std::size_t(rank)];
  return std::int64_t(kv.match(request.hashes).blocks) * kv.hash_block();
}

bool Instance::empty() const {
  for (std::size_t r = 0; r < held_.size(); ++r)
    if (held_[r] > 0 || !waiting_[r].empty()) return false;
  return true;
}

int Instance::running() const {
  int out = 0;
  for (int held : held_) out += held;
  return out;
}

double Instance::kv_share() const {
  double used = 0, all = 0;
  for (const KvCache& kv : kv_) {
    used += double(kv.in_use());
    all += double(kv.capacity());
  }
  return all > 0 ? used / all : 0;
}
}  // namespace moesim
