#include "schedule/pipelines/timing.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/check.h"

namespace moesim::schedule {

Time ScheduleCosts::of(Op op) const {
  switch (op) {
    case Op::forward:
      return forward;
    case Op::backward:
      return backward_input + weight;
    case Op::backward_input:
      return backward_input;
    case Op::weight:
      return weight;
    case Op::overlapped:
      return overlapped.v > 0 ? overlapped : forward + backward_input + weight;
    case Op::optimizer:
      return optimizer;
  }
  throw std::logic_error("an instruction has no operation");
}

Time StageCosts::of(Op op) const { return member_for(*this, op); }

namespace {
constexpr Time kNever{-1};

/// Walks all programs at once; a rank that cannot go on is looked at again when what it waits for has ended.
class Walk {
 public:
  Walk(const Schedule& schedule, const ScheduleCosts& costs)
      : s_(schedule),
        costs_(costs),
        forward_end_(std::size_t(s_.stages()) * std::size_t(s_.micro_batches), kNever),
        backward_end_(forward_end_.size(), kNever),
        next_(s_.programs.size()),
        free_(s_.programs.size()) {
    out_.ranks.resize(s_.programs.size());
    out_.busy.resize(s_.programs.size());
  }

  ScheduleTiming run() {
    std::vector<int> todo;
    for (int rank = s_.ranks; rank-- > 0;) todo.push_back(rank);
    while (!todo.empty()) {
      const int rank = todo.back();
      todo.pop_back();
      bool moved = false;
      while (advance(rank)) moved = true;
      if (moved)
        for (int other = 0; other < s_.ranks; ++other)
          if (other != rank && blocked_on_known(other)) todo.push_back(other);
    }
    for (int rank = 0; rank < s_.ranks; ++rank) {
      out_.end = std::max(out_.end, free_[std::size_t(rank)]);
      if (const Instruction* i = current(rank))
        out_.deadlock.push_back(
            fmt::format("rank {} stops before {}: {}", rank, to_text(*i, s_.chunks), missing(rank)));
    }
    return std::move(out_);
  }

 private:
  const Instruction* current(int rank) const {
    const auto& program = s_.programs[std::size_t(rank)];
    return next_[std::size_t(rank)] < program.size() ? &program[next_[std::size_t(rank)]] : nullptr;
  }
  std::size_t slot(int stage, int micro_batch) const {
    return std::size_t(stage) * std::size_t(s_.micro_batches) + std::size_t(micro_batch);
  }
  Time& forward_end(int stage, int micro_batch) { return forward_end_[slot(stage, micro_batch)]; }
  Time& backward_end(int stage, int micro_batch) { return backward_end_[slot(stage, micro_batch)]; }
  Time arrival(Time end, int from_rank, int to_rank) const {
    if (end == kNever || from_rank == to_rank) return end;
    if (costs_.send.v > INT64_MAX - end.v) beyond_the_clock();
    return end + costs_.send;
  }

  /// When the input of an F is there; kNever if not yet known.
  Time forward_ready(int rank, int chunk, int micro_batch) {
    const int stage = s_.stage_of(rank, chunk);
    if (stage == 0) return {};
    return arrival(forward_end(stage - 1, micro_batch), s_.seat(micro_batch, stage - 1).rank, rank);
  }
  Time backward_ready(int rank, int chunk, int micro_batch) {
    const int stage = s_.stage_of(rank, chunk);
    const Time own = forward_end(stage, micro_batch);
    if (own == kNever || stage == s_.stages() - 1) return own;
    return arrival(backward_end(stage + 1, micro_batch), s_.seat(micro_batch, stage + 1).rank, rank);
  }
  Time weight_ready(int rank, int chunk, int micro_batch) {
    return backward_end(s_.stage_of(rank, chunk), micro_batch);
  }
  Time ready(int rank, const Instruction& i) {
    switch (i.op) {
      case Op::forward:
        return forward_ready(rank, i.chunk, i.micro_batch);
      case Op::backward:
      case Op::backward_input:
        return backward_ready(rank, i.chunk, i.micro_batch);
      case Op::weight:
        return weight_ready(rank, i.chunk, i.micro_batch);
      case Op::overlapped: {
        const Time f = forward_ready(rank, i.chunk, i.micro_batch);
        const Time b = backward_ready(rank, i.backward_chunk, i.backward_micro_batch);
        return f == kNever || b == kNever ? kNever : std::max(f, b);
      }
      case Op::optimizer:
        return {};
    }
    throw std::logic_error("an instruction has no operation");
  }
  bool blocked_on_known(int rank) {
    const Instruction* i = current(rank);
    return i != nullptr && ready(rank, *i) != kNever;
  }

  Time takes_of(const Instruction& i, int rank) const {
    if (costs_.stages.empty() || i.op == Op::optimizer) return costs_.of(i.op);
    return costs_.stages[std::size_t(s_.stage_of(rank, i.chunk))].of(i.op);
  }
  bool advance(int rank) {
    const Instruction* i = current(rank);
    if (i == nullptr) return false;
    const Time at = ready(rank, *i);
    if (at == kNever) return false;
    const std::size_t r = std::size_t(rank);
    const Time start = std::max(at, free_[r]), takes = takes_of(*i, rank);
    if (takes.v > INT64_MAX - start.v) beyond_the_clock();
    const Time end = start + takes;
    out_.ranks[r].push_back({*i, start, end});
    out_.busy[r] += end - start;
    free_[r] = end;
    ++next_[r];
    const int stage = s_.stage_of(rank, i->chunk);
    if (i->op == Op::forward || i->op == Op::overlapped) forward_end(stage, i->micro_batch) = end;
    if (i->op == Op::backward || i->op == Op::backward_input) backward_end(stage, i->micro_batch) = end;
    if (i->op == Op::overlapped) backward_end(s_.stage_of(rank, i->backward_chunk), i->backward_micro_batch) = end;
    return true;
  }

  std::string missing_forward(int rank, int chunk, int micro_batch) {
    const Seat before = s_.seat(micro_batch, s_.stage_of(rank, chunk) - 1);
    return fmt::format("waits for {} of rank {}",
                       to_text({Op::forward, std::int16_t(before.chunk), 0, micro_batch}, s_.chunks), before.rank);
  }
  std::string missing_backward(int rank, int chunk, int micro_batch) {
    const int stage = s_.stage_of(rank, chunk);
    if (forward_end(stage, micro_batch) == kNever)
      return fmt::format("waits for {} of its own",
                         to_text({Op::forward, std::int16_t(chunk), 0, micro_batch}, s_.chunks));
    const Seat after = s_.seat(micro_batch, stage + 1);
    return fmt::format("waits for {} of rank {}",
                       to_text({Op::backward, std::int16_t(after.chunk), 0, micro_batch}, s_.chunks), after.rank);
  }
  std::string missing(int rank) {
    const Instruction& i = *current(rank);
    switch (i.op) {
      case Op::forward:
        return missing_forward(rank, i.chunk, i.micro_batch);
      case Op::backward:
      case Op::backward_input:
        return missing_backward(rank, i.chunk, i.micro_batch);
      case Op::weight:
        return fmt::format("waits for {} of its own",
                           to_text({Op::backward_input, i.chunk, 0, i.micro_batch}, s_.chunks));
      case Op::overlapped:
        return forward_ready(rank, i.chunk, i.micro_batch) == kNever
                   ? missing_forward(rank, i.chunk, i.micro_batch)
                   : missing_backward(rank, i.backward_chunk, i.backward_micro_batch);
      case Op::optimizer:
        break;
    }
    throw std::logic_error("an optimiser step waits for nothing");
  }

  const Schedule& s_;
  const ScheduleCosts& costs_;
  std::vector<Time> forward_end_, backward_end_;  // (stages, micro-batches)
  std::vector<std::size_t> next_;
  std::vector<Time> free_;
  ScheduleTiming out_;
};
}  // namespace

ScheduleTiming time_schedule(const Schedule& schedule, const ScheduleCosts& costs) {
  check(costs.stages.empty() || int(costs.stages.size()) == schedule.stages(), "costs of {} stages for {}",
        costs.stages.size(), schedule.stages());
  // Three of them are added to one instruction's.
  for (const Time t :
       {costs.forward, costs.backward_input, costs.weight, costs.overlapped, costs.send, costs.optimizer})
    if (t.v > INT64_MAX / 4) beyond_the_clock();
  return Walk(schedule, costs).run();
}
}  // namespace moesim::schedule
