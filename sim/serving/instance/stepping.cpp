// Steps of an instance: they take what the model of a step says, and at their end tokens come out.
#include <algorithm>

#include "core/check.h"
#include "serving/instance/instance.h"

namespace moesim::serving {

/// Something has changed: batches that do not run may have work now, once everything of this moment has happened.
void Instance::kick() {
  if (kicked_ || std::ranges::all_of(batches_, &PipelineBatch::running)) return;
  kicked_ = true;
  context_.engine.after(
      {}, "step formed", [this] { start_idle(); }, Phase::decide);
}

void Instance::start_idle() {
  kicked_ = false;
  for (std::size_t b = 0; b < batches_.size(); ++b)
    if (!batches_[b].running) start(b);
}

/// Chooses what every rank computes in the batch's next step.  Returns the step's tokens.
std::int64_t Instance::form(PipelineBatch& batch) {
  const int domains = context_.shape.domains;
  batch.work.step = steps_;
  batch.work.after_idle = context_.engine.now() > last_end_ && std::ranges::none_of(batches_, &PipelineBatch::running);
  batch.work.domains.assign(domains > 1 ? std::size_t(domains) : 0, 0);
  batch.work.recorded.clear();
  std::int64_t tokens = 0;
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    compute::Batch& work = batch.work.ranks[r];
    work = {};
    if (!ranks_[r].up()) continue;
    batch.ranks[r].form(work, batch.work);
    tokens += work.tokens;
  }
  return tokens;
}

void Instance::start(std::size_t number) {
  Engine& engine = context_.engine;
  if (clock_.held(engine.now())) return;
  if (engine.now() < clock_.first_free()) {  // the first stage still works for another batch
    engine.at(clock_.first_free(), "stage free", [this] { kick(); });
    return;
  }
  PipelineBatch& batch = batches_[number];
  const std::int64_t tokens = form(batch);
  report_change();
  if (tokens == 0) return;
  step_model_->cost(batch.work, batch.times);
  check(batch.times.stages.size() == clock_.stages(), "a step has {} stages on an instance of {}",
        batch.times.stages.size(), clock_.stages());
  batch.times.stages[0] += context_.stall;
  batch.times.parts[std::size_t(StepPart::other)] += seconds(context_.stall);
  context_.stall = {};
  batch.step = steps_++;
  batch.running = true;
  batch.started = engine.now();
  engine.at(clock_.pass(batch.started, batch.times.stages), "step done", [this, number] { end(number); });
  if (batches_.size() > 1) kick();
}

void Instance::end(std::size_t number) {
  PipelineBatch& batch = batches_[number];
  batch.running = false;
  last_end_ = context_.engine.now();
  InstanceOwner::StepEnd report{.instance = context_.shape.number,
                                .step = batch.step,
                                .start = batch.started,
                                .end = context_.engine.now(),
                                .times = &batch.times};
  for (const compute::Batch& b : batch.work.ranks) report.requests += int(b.prefill.sequences + b.decode.sequences);
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    if (!ranks_[r].up()) continue;
    batch.ranks[r].end(report);
    ranks_[r].pull();
  }
  context_.gaps.tell(context_.owner);
  report_change();
  InstanceTotals& totals = context_.totals;
  ++totals.steps;
  totals.busy += batch.times.total() / std::int64_t(clock_.stages());
  totals.prefill_tokens += report.prefill;
  totals.decode_tokens += report.decode;
  context_.owner.stepped(report);
  kick();
}
}  // namespace moesim::serving
