// Steps of an instance: they take what the cost says, and at their end tokens come out.
#include "serving/instance/instance.h"

#include <algorithm>

#include "core/check.h"

namespace moesim {
void Instance::add_to_decode(std::uint32_t slot, Seat& to) {
  Live& l = live(slot);
  l.stage = Stage::decode;
  if (to.decoding.empty()) to.last_decode = engine_.now();
  const std::int64_t held = std::int64_t(l.hold.pinned) * kv_[0].hash_block() + kv_[0].fits(l.hold.taken);
  to.decoding.add(slot, l.computed, l.request.output - l.generated,
                  std::int32_t(std::min<std::int64_t>(held - l.computed, kMostRoom)), l.hold.taken);
}

/// Writes back what the set knows of a request that is about to leave it.
void Instance::leave_decode(const DecodeSet& set, std::size_t at) {
  Live& l = live(set.slot(at));
  l.computed = set.context(at);
  l.generated = l.request.output - set.left(at);
  l.hold.taken = set.taken(at);
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
  tell_gaps();
  ++totals_.steps;
  totals_.busy += lane.times.total() / std::int64_t(stage_free_.size());
  totals_.prefill_tokens += report.prefill;
  totals_.decode_tokens += report.decode;
  owner_.stepped(report);
  kick();
}

void Instance::end_decoding(Seat& s, int rank, InstanceOwner::StepEnd& report) {
  DecodeSet& all = s.decoding;
  const int drafts = shape_.speculation.drafts();
  std::int64_t tokens = std::int64_t(all.size());
  all.advance();
  if (drafts > 0) {
    totals_.verified_tokens += tokens * (1 + drafts);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const int more = std::min(shape_.speculation.draw(random_) - 1, int(all.left(i)));
      all.correct(i, more);
      tokens += more;
    }
    all.recount();
  }
  if (all.may_have_ended()) {
    for (std::size_t i = 0; i < all.size();) all.left(i) > 0 ? void(++i) : end_request(all, i, rank);
    all.recount();
  }
  if (gap_tokens_ > 0 && gap_ != engine_.now() - s.last_decode) tell_gaps();
  gap_ = engine_.now() - s.last_decode;
  gap_tokens_ += tokens;
  s.last_decode = engine_.now();
  report.decode += tokens;
}

/// The request at `at` has all its tokens.
void Instance::end_request(DecodeSet& all, std::size_t at, int rank) {
  const std::uint32_t slot = all.slot(at);
  Live& l = live(slot);
  leave_decode(all, at);
  all.swap_out(at);
  l.last = engine_.now();
  publish(l);
  let_go(l.hold, l);
  --held_[std::size_t(rank)];
  owner_.finished(slot);
}

/// Ranks that decode in step have the same gaps between tokens: they are told together.
void Instance::tell_gaps() {
  owner_.token_gap(gap_, gap_tokens_);
  gap_tokens_ = 0;
}

void Instance::end_prompts(Seat& s, int rank, InstanceOwner::StepEnd& report) {
  for (std::size_t i = 0; i < s.prompts.size();) {
    Prompt& p = s.prompts[i];
    const std::uint32_t slot = p.slot;
    Live& l = live(slot);
    l.computed += p.chunk;
    report.prefill += p.chunk;
    pending_[std::size_t(rank)] -= p.chunk;
    touch(rank);
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
      let_go(l.hold, l);
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
