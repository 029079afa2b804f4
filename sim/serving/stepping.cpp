// Steps of an instance: they take what the cost says, and at their end tokens come out.
#include "serving/instance.h"

#include <algorithm>

#include "core/check.h"

namespace moesim {
void Instance::add_to_decode(std::uint32_t slot, Seat& to) {
  Live& l = live(slot);
  l.stage = Stage::decode;
  if (to.decoding.empty()) to.last_decode = engine_.now();
  const std::int64_t held = std::int64_t(l.hold.pinned) * kv_[0].hash_block() + kv_[0].fits(l.hold.taken);
  to.decoding.push_back({slot, l.computed, l.request.output - l.generated,
                         std::int32_t(std::min<std::int64_t>(held - l.computed, 1 << 30))});
}

void Instance::start(std::size_t lane_number) {
  if (engine_.now() < not_before_) return;
  Lane& lane = lanes_[lane_number];
  if (engine_.now() < stage_free_[0]) {  // the first stage still works for another batch
    engine_.at(stage_free_[0], "stage free", [this] { kick(); });
    return;
  }
  if (form(lane_number) == 0) return;
  cost_->cost(lane.work, lane.times);
  check(lane.times.stages.size() == stage_free_.size(), "a step has {} stages on an instance of {}",
        lane.times.stages.size(), stage_free_.size());
  lane.times.stages[0] += stall_;
  lane.times.parts[std::size_t(StepPart::other)] += seconds(stall_);
  stall_ = {};
  lane.step = steps_++;
  lane.running = true;
  lane.started = engine_.now();
  Time at = lane.started;
  for (std::size_t s = 0; s < stage_free_.size(); ++s) {
    at = std::max(at, stage_free_[s]) + lane.times.stages[s];
    stage_free_[s] = at;
  }
  engine_.at(at, "step done", [this, lane_number] { end(lane_number); });
  if (stage_free_.size() > 1) kick();
}

void Instance::end(std::size_t lane_number) {
  Lane& lane = lanes_[lane_number];
  if (!lane.running) return;
  lane.running = false;
  InstanceOwner::StepEnd report{
      .instance = shape_.number, .step = lane.step, .start = lane.started, .end = engine_.now(), .times = &lane.times};
  for (const Batch& b : lane.work.ranks) report.requests += int(b.prefill.sequences + b.decode.sequences);
  for (int r = 0; r < shape_.ranks; ++r) {
    if (down_[std::size_t(r)]) continue;
    Seat& s = seat(lane_number, r);
    if (s.decodes) end_decoding(s, r, report);
    end_prompts(s, r, report);
    pull(r);
  }
  ++totals_.steps;
  totals_.busy += lane.times.total() / std::int64_t(stage_free_.size());
  totals_.prefill_tokens += report.prefill;
  totals_.decode_tokens += report.decode;
  owner_.stepped(report);
  kick();
}

void Instance::end_decoding(Seat& s, int rank, InstanceOwner::StepEnd& report) {
  const bool drafts = shape_.speculation.drafts() > 0;
  const Time now = engine_.now();
  std::int64_t tokens = 0;
  const std::size_t before = s.decoding.size();
  if (drafts) totals_.verified_tokens += std::int64_t(before) * (1 + shape_.speculation.drafts());
  for (std::size_t i = 0; i < s.decoding.size();) {
    Decoding& d = s.decoding[i];
    const int some = drafts ? std::min(shape_.speculation.draw(random_), int(d.left)) : 1;
    d.context += some;
    d.left -= some;
    d.room -= some;
    tokens += some;
    if (d.left > 0) {
      ++i;
      continue;
    }
    const std::uint32_t slot = d.slot;
    Live& l = live(slot);
    l.computed = d.context;
    l.generated = l.request.output;
    l.last = now;
    publish(l);
    let_go(l.hold, l.request);
    --held_[std::size_t(rank)];
    s.decoding[i] = s.decoding.back();
    s.decoding.pop_back();
    owner_.finished(slot);
  }
  owner_.token_gap(now - s.last_decode, tokens);
  s.last_decode = now;
  report.decode += tokens;
}

void Instance::end_prompts(Seat& s, int rank, InstanceOwner::StepEnd& report) {
  for (std::size_t i = 0; i < s.prompts.size();) {
    Prompt& p = s.prompts[i];
    const std::uint32_t slot = p.slot;
    Live& l = live(slot);
    l.computed += p.chunk;
    report.prefill += p.chunk;
    pending_[std::size_t(rank)] -= p.chunk;
    p.chunk = 0;
    if (l.computed < l.target) {
      ++i;
      continue;
    }
    s.prompts.erase(s.prompts.begin() + std::ptrdiff_t(i));
    publish(l);
    ++l.generated;
    l.last = engine_.now();
    if (l.generated == 1) {
      l.first = engine_.now();
      owner_.first_token(slot);
    }
    if (l.generated == l.request.output) {
      let_go(l.hold, l.request);
      --held_[std::size_t(rank)];
      owner_.finished(slot);
    } else if (shape_.role == Role::prefill) {
      --held_[std::size_t(rank)];
      l.source = l.hold;
      l.hold = {};
      l.remote = true;
      owner_.prefilled(slot);
    } else {
      add_to_decode(slot, s);
    }
  }
}
}  // namespace moesim
