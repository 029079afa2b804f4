// The end of a rank's step: tokens come out, requests end or go on.
#include <algorithm>

#include "serving/instance/rank_batch.h"

namespace moesim::serving {

void RankBatch::end(InstanceOwner::StepEnd& report) {
  if (decodes_) end_decoding(report);
  end_prompts(report);
}

/// Writes back what the set knows of a request that is about to leave it.
void RankBatch::leave_decode(std::size_t at) {
  Live& l = live(decoding_.slot(at));
  l.computed = decoding_.context(at);
  l.generated = l.request.output - decoding_.left(at);
  l.hold.taken = decoding_.taken(at);
}

/// Returns how many drafts are accepted in all.
std::int64_t RankBatch::draw_drafts() {
  const SpeculationSpec& speculation = context_.shape.speculation;
  std::int64_t accepted = 0;
  context_.totals.verified_tokens += std::int64_t(decoding_.size()) * (1 + speculation.drafts());
  for (std::size_t i = 0; i < decoding_.size(); ++i) {
    const int more = std::min(speculation.draw(context_.drafts) - 1, int(decoding_.left(i)));
    decoding_.correct(i, more);
    accepted += more;
  }
  decoding_.recount();
  return accepted;
}

void RankBatch::end_decoding(InstanceOwner::StepEnd& report) {
  std::int64_t tokens = std::int64_t(decoding_.size());
  decoding_.advance();
  if (context_.shape.speculation.drafts() > 0) tokens += draw_drafts();
  if (decoding_.may_have_ended()) {
    for (std::size_t i = 0; i < decoding_.size();) decoding_.left(i) > 0 ? void(++i) : end_request(i);
    decoding_.recount();
  }
  context_.gaps.add(context_.owner, context_.engine.now() - last_decode_, tokens);
  last_decode_ = context_.engine.now();
  report.decode += tokens;
}

/// The request at `at` has all its tokens.
void RankBatch::end_request(std::size_t at) {
  const std::uint32_t slot = decoding_.slot(at);
  Live& l = live(slot);
  leave_decode(at);
  decoding_.swap_out(at);
  l.last = context_.engine.now();
  rank_.publish(l);
  rank_.let_go(l.hold, l);
  rank_.leave();
  context_.owner.finished(slot);
}

void RankBatch::end_prompts(InstanceOwner::StepEnd& report) {
  for (std::size_t i = 0; i < prompts_.size();) {
    Prompt& p = prompts_[i];
    const std::uint32_t slot = p.slot;
    Live& l = live(slot);
    l.computed += p.chunk;
    report.prefill += p.chunk;
    rank_.computed(p.chunk);
    p.chunk = 0;
    if (l.computed < l.target) {
      ++i;
      continue;
    }
    prompts_.erase(prompts_.begin() + std::ptrdiff_t(i));
    end_prompt(slot);
  }
}

/// The prompt is computed, and the next token has come out of it.
void RankBatch::end_prompt(std::uint32_t slot) {
  Live& l = live(slot);
  rank_.publish(l);
  ++l.generated;
  ++context_.totals.prompt_outputs;
  l.last = context_.engine.now();
  if (l.generated == 1) l.first = context_.engine.now();
  if (l.generated == l.request.output) {
    rank_.let_go(l.hold, l);
    rank_.leave();
    context_.owner.finished(slot);
  } else if (context_.shape.role == Role::prefill) {
    rank_.leave();
    l.source = l.hold;
    l.hold = {};
    l.remote = true;
    context_.owner.prefilled(slot);
  } else {
    add_to_decode(slot);
  }
}

void RankBatch::settle() {
  for (std::size_t i = 0; i < decoding_.size(); ++i) {
    leave_decode(i);
    Live& l = live(decoding_.slot(i));
    if (l.generated > 1) l.last = last_decode_;
  }
}

void RankBatch::abandon(std::vector<std::uint32_t>& homeless) {
  for (std::size_t i = 0; i < decoding_.size(); ++i) {
    leave_decode(i);
    homeless.push_back(decoding_.slot(i));
  }
  for (const Prompt& p : prompts_) homeless.push_back(p.slot);
  homeless.insert(homeless.end(), arrived_.begin(), arrived_.end());
  decoding_ = {};
  prompts_.clear();
  arrived_.clear();
  decodes_ = false;
}
}  // namespace moesim::serving
