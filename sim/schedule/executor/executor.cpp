#include "schedule/executor/executor.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/check.h"
#include "schedule/executor/executor_state.h"

namespace moesim::schedule {
namespace {
bool has_forward(Op op) { return op == Op::forward || op == Op::overlapped; }
bool has_backward(Op op) { return op != Op::forward && op != Op::optimizer; }
}  // namespace

Executor::Executor(Engine& engine, const Schedule& schedule, const TemplateSet& templates, Shape shape,
                   StepCosts& costs, std::function<GpuId(const GpuSeat&)> gpu_id, results::SpanLog* spans)
    : engine_(engine),
      schedule_(schedule),
      templates_(templates),
      shape_(shape),
      costs_(costs),
      gpu_id_(std::move(gpu_id)),
      spans_(spans != nullptr && spans->enabled() ? spans : nullptr),
      gathers_always_(costs.gathers_always()),
      reduces_always_(costs.reduces_always()),
      exposes_reductions_(costs.reduces_always() && !costs.reduction_overlapped()) {
  const std::size_t entries = std::size_t(schedule_.chunks) * std::size_t(schedule_.micro_batches);
  std::size_t blocks = 0;
  for (int rank = 0; rank < schedule_.ranks; ++rank)
    for (int chunk = 0; chunk < schedule_.chunks; ++chunk) {
      first_block_.push_back(blocks);
      blocks += std::size_t(costs_.blocks(schedule_.stage_of(rank, chunk)));
    }
  first_block_.push_back(blocks);
  reductions_.resize(blocks * std::size_t(shape_.members));
  for (int replica = 0; replica < shape_.replicas; ++replica)
    for (int rank = 0; rank < schedule_.ranks; ++rank) {
      cells_.emplace_back().finished.resize(entries);
      for (int member = 0; member < shape_.members; ++member) {
        Gpu& g = gpus_.emplace_back();
        g.seat = {replica, rank, member};
        g.cell = int(cells_.size()) - 1;
        g.program = &schedule_.programs[std::size_t(rank)];
        g.inputs.resize(entries);
        g.kept.resize(entries);
        g.held = g.peak = costs_.resident(rank).v;
        g.reductions_left = int(first_block_[std::size_t((rank + 1) * schedule_.chunks)] -
                                first_block_[std::size_t(rank * schedule_.chunks)]);
        g.backwards_left.assign(std::size_t(schedule_.chunks),
                                schedule_.micro_batches / (schedule_.layout == Layout::two_way ? 2 : 1));
      }
    }
}
Executor::~Executor() = default;

std::size_t Executor::key(int chunk, int micro_batch) const {
  return std::size_t(chunk) * std::size_t(schedule_.micro_batches) + std::size_t(micro_batch);
}

StepOutcome Executor::run() {
  start_ = engine_.now();
  begin_gathers();
  for (int gpu = 0; gpu < int(gpus_.size()); ++gpu) {
    gpus_[std::size_t(gpu)].idle_since = gpus_[std::size_t(gpu)].launched = start_;
    engine_.after(Time{0}, "start", [this, gpu] { advance(gpu); });
  }
  engine_.run();
  StepOutcome out;
  const Time end = engine_.now();
  out.step = end - start_;
  for (Gpu& g : gpus_) {
    if (!g.finished)
      throw std::logic_error(fmt::format("the schedule never ends: replica {} rank {} member {} stops at {}",
                                         g.seat.replica, g.seat.rank, g.seat.member,
                                         to_text((*g.program)[g.next], schedule_.chunks)));
    g.account(Spent::bubble) += end - g.idle_since;
    out.gpus.push_back({g.seat, g.spent, {g.peak}, g.peak_at, g.communicating});
  }
  out.instructions = std::move(instructions_);
  return out;
}

bool Executor::inputs_here(const Gpu& g, const Instruction& i) const {
  const auto has = [&](int chunk, int micro_batch, int bit) { return (g.inputs[key(chunk, micro_batch)] & bit) != 0; };
  if (has_forward(i.op) && schedule_.stage_of(g.seat.rank, i.chunk) > 0 && !has(i.chunk, i.micro_batch, 1))
    return false;
  if (i.op == Op::weight || !has_backward(i.op)) return true;
  const bool pair = i.op == Op::overlapped;
  const int chunk = pair ? i.backward_chunk : i.chunk, micro_batch = pair ? i.backward_micro_batch : i.micro_batch;
  return schedule_.stage_of(g.seat.rank, chunk) == schedule_.stages() - 1 || has(chunk, micro_batch, 2);
}

bool Executor::try_start(int gpu) {
  Gpu& g = gpus_[std::size_t(gpu)];
  const Instruction& i = (*g.program)[g.next];
  const Time now = engine_.now();
  if (i.op == Op::optimizer) {
    g.running = true;
    return true;
  }
  if (!inputs_here(g, i)) return false;
  g.account(Spent::bubble) += now - g.idle_since;
  g.idle_since = g.began = now;
  g.running = true;
  const bool pair = i.op == Op::overlapped;
  if (has_forward(i.op)) g.forward.is(schedule_.stage_of(g.seat.rank, i.chunk), i.chunk, i.micro_batch);
  if (pair)
    g.backward.is(schedule_.stage_of(g.seat.rank, i.backward_chunk), i.backward_chunk, i.backward_micro_batch);
  else if (has_backward(i.op))
    g.backward.is(schedule_.stage_of(g.seat.rank, i.chunk), i.chunk, i.micro_batch);
  const Alignment& beside =
      alignment(has_forward(i.op) ? g.forward.stage : -1, has_backward(i.op) ? g.backward.stage : -1);
  g.forward.blocks = has_forward(i.op) ? &beside.forward : nullptr;
  g.backward.blocks = has_backward(i.op) ? &beside.backward : nullptr;
  g.table = &templates_.of(i.op);
  g.weights_only = i.op == Op::weight;
  g.slots = int(beside.forward.size());
  g.compute = {};
  g.communication = {};
  g.done.fill(0);
  return true;
}

const Alignment& Executor::alignment(int forward_stage, int backward_stage) {
  const auto [at, added] = alignments_.try_emplace({forward_stage, backward_stage});
  if (!added) return at->second;
  const auto traits = [this](int stage) {
    std::vector<BlockTraits> out;
    for (int block = 0; stage >= 0 && block < costs_.blocks(stage); ++block) out.push_back(costs_.traits(stage, block));
    return out;
  };
  std::vector<BlockTraits> backward = traits(backward_stage);
  std::ranges::reverse(backward);
  at->second = align(traits(forward_stage), backward);
  for (std::int16_t& block : at->second.backward)
    if (block >= 0) block = std::int16_t(int(backward.size()) - 1 - block);
  return at->second;
}

void Executor::advance(int gpu) {
  Gpu& g = gpus_[std::size_t(gpu)];
  if (g.advancing) {
    g.again = true;
    return;
  }
  g.advancing = true;
  do {
    g.again = false;
    while (!g.finished) {
      if (!g.running && !try_start(gpu)) break;
      if ((*g.program)[g.next].op == Op::optimizer) {
        optimizer_phase(gpu);
        break;
      }
      run_communication(gpu);
      run_compute(gpu);
      run_communication(gpu);  // a piece that takes no time may have freed an exchange
      if (g.compute.busy || g.communication.busy || g.compute.slot < g.slots || g.communication.slot < g.slots) break;
      finish_instruction(gpu);
    }
  } while (g.again);
  g.advancing = false;
}

void Executor::note_instruction(const Gpu& g, const Instruction& i) {
  if (g.seat.replica == 0 && g.seat.member == 0)
    instructions_.push_back({g.seat.rank, i, g.began - start_, engine_.now() - start_, {g.held}});
}

void Executor::finish_instruction(int gpu) {
  Gpu& g = gpus_[std::size_t(gpu)];
  const Instruction i = (*g.program)[g.next];
  g.account(Spent::exposed_communication) += engine_.now() - g.idle_since;
  g.idle_since = engine_.now();
  g.running = false;
  note_instruction(g, i);
  ++g.next;
  if (has_forward(i.op)) finish_forward(gpu, g.forward.chunk, g.forward.micro_batch);
  if (has_backward(i.op))
    finish_backward(gpu, g.backward.chunk, g.backward.micro_batch, i.op != Op::weight, i.op != Op::backward_input);
}

void Executor::finish_forward(int gpu, int chunk, int micro_batch) {
  const Gpu& g = gpus_[std::size_t(gpu)];
  const int stage = schedule_.stage_of(g.seat.rank, chunk);
  if (stage == schedule_.stages() - 1) return;
  const Seat next = schedule_.seat(micro_batch, stage + 1);
  const int to = gpu + (next.rank - g.seat.rank) * shape_.members;
  if (next.rank == g.seat.rank) return delivered(to, true, next.chunk, micro_batch);
  costs_.send(g.seat, next.rank, true,
              [this, to, chunk_there = next.chunk, micro_batch] { delivered(to, true, chunk_there, micro_batch); });
}

void Executor::finish_backward(int gpu, int chunk, int micro_batch, bool input, bool weight) {
  Gpu& g = gpus_[std::size_t(gpu)];
  const int stage = schedule_.stage_of(g.seat.rank, chunk);
  if (weight) {
    std::int32_t& kept = g.kept[key(chunk, micro_batch)];
    g.held -= std::int64_t(kept) << 10;
    kept = 0;
    Cell& cell = cells_[std::size_t(g.cell)];
    if (++cell.finished[key(chunk, micro_batch)] == shape_.members) costs_.finished(g.seat.replica, stage, micro_batch);
    --g.backwards_left[std::size_t(chunk)];
  }
  if (!input || stage == 0) return;
  const Seat next = schedule_.seat(micro_batch, stage - 1);
  const int to = gpu + (next.rank - g.seat.rank) * shape_.members;
  if (next.rank == g.seat.rank) return delivered(to, false, next.chunk, micro_batch);
  costs_.send(g.seat, next.rank, false,
              [this, to, chunk_there = next.chunk, micro_batch] { delivered(to, false, chunk_there, micro_batch); });
}

void Executor::delivered(int gpu, bool forward, int chunk, int micro_batch) {
  gpus_[std::size_t(gpu)].inputs[key(chunk, micro_batch)] |= forward ? 1 : 2;
  advance(gpu);
}

void Executor::hold(int gpu, const PieceRef& piece) {
  Gpu& g = gpus_[std::size_t(gpu)];
  const std::int64_t kib = (costs_.kept(piece).v + 1023) >> 10;
  g.kept[key(g.forward.chunk, g.forward.micro_batch)] += std::int32_t(kib);
  g.held += kib << 10;
  if (g.held <= g.peak) return;
  g.peak = g.held;
  g.peak_at = engine_.now() - start_;
  if (g.peak > costs_.memory().v)
    throw ConfigError(
        fmt::format("GPU {} (stage {}) runs out of memory after {:.3g} s: it holds {:.4g} GB, {:.3g} GB more "
                    "than its {:.4g} GB; {}",
                    gpu_id_(g.seat), g.seat.rank, seconds(g.peak_at), double(g.peak) * 1e-9,
                    double(g.peak - costs_.memory().v) * 1e-9, double(costs_.memory().v) * 1e-9, costs_.would_fit()));
}
}  // namespace moesim::schedule
