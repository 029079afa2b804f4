#include "schedule/executor.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/check.h"
#include "schedule/executor_state.h"

namespace moesim {
namespace {
Spent account_of(Op op) {
  switch (op) {
    case Op::forward:
      return Spent::forward;
    case Op::backward:
    case Op::backward_input:
      return Spent::backward;
    case Op::weight:
      return Spent::weight;
    case Op::overlapped:
      return Spent::overlapped;
    case Op::optimizer:
      return Spent::optimizer;
  }
  throw std::logic_error("an instruction has no operation");
}
bool has_forward(Op op) { return op == Op::forward || op == Op::overlapped; }
bool has_backward(Op op) { return op != Op::forward && op != Op::optimizer; }
}  // namespace

Executor::Executor(Engine& engine, const Schedule& schedule, const BlockTemplates& templates, Shape shape,
                   StepCosts& costs, std::function<GpuId(const GpuSeat&)> gpu_id, SpanLog* spans)
    : engine_(engine),
      schedule_(schedule),
      templates_(templates),
      shape_(shape),
      costs_(costs),
      gpu_id_(std::move(gpu_id)),
      spans_(spans != nullptr && spans->enabled() ? spans : nullptr) {
  const std::size_t entries = std::size_t(schedule_.chunks) * std::size_t(schedule_.micro_batches);
  reductions_.resize(std::size_t(schedule_.ranks * schedule_.chunks * shape_.members));
  for (int replica = 0; replica < shape_.replicas; ++replica)
    for (int rank = 0; rank < schedule_.ranks; ++rank) {
      cells_.emplace_back().finished.resize(entries);
      std::vector<Time> gathered(std::size_t(schedule_.chunks), Time{0});
      if (costs_.gather_overlapped()) {
        Time sum{};
        std::vector<bool> seen(gathered.size());
        for (const Instruction& i : schedule_.programs[std::size_t(rank)]) {
          const std::size_t c = std::size_t(i.chunk);
          if (!has_forward(i.op) || seen[c]) continue;
          seen[c] = true;
          const Time whole = costs_.gather(rank, i.chunk);
          gathered[c] = sum + whole / std::max(1, costs_.blocks(schedule_.stage_of(rank, i.chunk)));
          sum += whole;
        }
      }
      for (int member = 0; member < shape_.members; ++member) {
        Gpu& g = gpus_.emplace_back();
        g.seat = {replica, rank, member};
        g.cell = int(cells_.size()) - 1;
        g.program = &schedule_.programs[std::size_t(rank)];
        g.inputs.resize(entries);
        g.kept.resize(entries);
        g.held = g.peak = costs_.resident(rank).v;
        g.gathered = gathered;
        g.reductions_left = schedule_.chunks;
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
  for (int gpu = 0; gpu < int(gpus_.size()); ++gpu) {
    gpus_[std::size_t(gpu)].idle_since = start_;
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
    out.gpus.push_back({g.seat, g.spent, {g.peak}, g.peak_at});
  }
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
  if (g.waiting_for_gather && g.gathered[std::size_t(i.chunk)] + start_ > now) return false;
  if (!inputs_here(g, i)) return false;
  if (has_forward(i.op) && g.gathered[std::size_t(i.chunk)] + start_ > now) {
    g.account(Spent::bubble) += now - g.idle_since;
    g.idle_since = now;
    g.waiting_for_gather = true;
    engine_.at(g.gathered[std::size_t(i.chunk)] + start_, "gathered", [this, gpu] { advance(gpu); });
    return false;
  }
  g.account(g.waiting_for_gather ? Spent::exposed_communication : Spent::bubble) += now - g.idle_since;
  g.idle_since = now;
  g.waiting_for_gather = false;
  g.running = true;
  const auto half = [&](int chunk, int micro_batch) {
    const int stage = schedule_.stage_of(g.seat.rank, chunk);
    return Half{stage, chunk, micro_batch, costs_.blocks(stage)};
  };
  const bool pair = i.op == Op::overlapped;
  g.forward = has_forward(i.op) ? half(i.chunk, i.micro_batch) : Half{};
  g.backward = pair                 ? half(i.backward_chunk, i.backward_micro_batch)
               : has_backward(i.op) ? half(i.chunk, i.micro_batch)
                                    : Half{};
  g.table = &templates_.of(i.op);
  g.weights_only = i.op == Op::weight;
  g.slots = std::max(g.forward.blocks, g.backward.blocks);
  g.compute = {};
  g.communication = {};
  g.done.fill(0);
  return true;
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

bool Executor::skip(const Gpu& g, const BlockStep& step, int slot) const {
  return slot >= (is_forward(step.piece) ? g.forward.blocks : g.backward.blocks);
}

PieceRef Executor::ref(const Gpu& g, const BlockStep& step, int slot) const {
  const bool forward = is_forward(step.piece);
  const Half& half = forward ? g.forward : g.backward;
  return {g.seat, half.stage, forward ? slot : half.blocks - 1 - slot, half.micro_batch, step.piece, step.beside};
}

void Executor::run_communication(int gpu) {
  Gpu& g = gpus_[std::size_t(gpu)];
  const auto& steps = g.table->communication;
  while (!g.communication.busy && g.communication.slot < g.slots) {
    if (g.communication.item == steps.size()) {
      g.communication.item = 0;
      ++g.communication.slot;
      continue;
    }
    const BlockStep& step = steps[g.communication.item];
    const int slot = g.communication.slot;
    if (skip(g, step, slot)) {
      ++g.communication.item;
      continue;
    }
    if (!piece_ready(step.piece, slot, g.done, false)) return;
    const PieceRef piece = ref(g, step, slot);
    if (!costs_.has_exchanges(piece.stage, piece.block)) {
      ++g.done[std::size_t(step.piece)];
      ++g.communication.item;
      continue;
    }
    g.communication.busy = true;
    g.communication.since = engine_.now();
    join(gpu, piece);
  }
}

void Executor::join(int gpu, const PieceRef& piece) {
  Gpu& g = gpus_[std::size_t(gpu)];
  Cell& cell = cells_[std::size_t(g.cell)];
  while (!cell.open.empty() && cell.open.front()->finished()) {
    cell.open.pop_front();
    ++cell.first;
  }
  const std::uint32_t number = g.exchanges++;
  check(number >= cell.first && number - cell.first <= cell.open.size(), "exchange {} of group {} is out of turn",
        number, g.cell);
  if (number - cell.first == cell.open.size())
    cell.open.push_back(costs_.exchange(piece, [this, c = g.cell](int member) { arrived(c, member); }));
  cell.open[number - cell.first]->join(g.seat.member);
}

void Executor::arrived(int cell, int member) {
  const int gpu = cell * shape_.members + member;
  Gpu& g = gpus_[std::size_t(gpu)];
  const BlockStep& step = g.table->communication[g.communication.item];
  if (spans_ != nullptr) add_span(g, "communication", ref(g, step, g.communication.slot), g.communication.since);
  g.communication.busy = false;
  ++g.done[std::size_t(step.piece)];
  ++g.communication.item;
  advance(gpu);
}

void Executor::run_compute(int gpu) {
  Gpu& g = gpus_[std::size_t(gpu)];
  const auto& steps = g.table->compute;
  while (!g.compute.busy && g.compute.slot < g.slots) {
    if (g.compute.item == steps.size()) {
      g.compute.item = 0;
      ++g.compute.slot;
      continue;
    }
    const BlockStep& step = steps[g.compute.item];
    if (skip(g, step, g.compute.slot)) {
      ++g.compute.item;
      continue;
    }
    if (!piece_ready(step.piece, g.compute.slot, g.done, g.weights_only)) return;
    const PieceRef piece = ref(g, step, g.compute.slot);
    if (step.piece == Piece::attention || step.piece == Piece::experts) hold(gpu, piece);
    g.now_running = costs_.compute(piece);
    const Time takes = g.now_running.busy + g.now_running.exposed;
    if (takes.v == 0) {
      ++g.done[std::size_t(step.piece)];
      ++g.compute.item;
      run_communication(gpu);
      continue;
    }
    const Time now = engine_.now();
    g.account(Spent::exposed_communication) += now - g.idle_since;
    g.idle_since = now;
    g.compute.busy = true;
    g.compute.since = now;
    engine_.after(takes, "compute", [this, gpu] { compute_done(gpu); });
  }
}

void Executor::compute_done(int gpu) {
  Gpu& g = gpus_[std::size_t(gpu)];
  const BlockStep& step = g.table->compute[g.compute.item];
  g.account(account_of((*g.program)[g.next].op)) += g.now_running.busy;
  g.account(Spent::exposed_communication) += g.now_running.exposed;
  g.idle_since = engine_.now();
  if (spans_ != nullptr) add_span(g, "compute", ref(g, step, g.compute.slot), g.compute.since);
  g.compute.busy = false;
  ++g.done[std::size_t(step.piece)];
  ++g.compute.item;
  advance(gpu);
}

void Executor::finish_instruction(int gpu) {
  Gpu& g = gpus_[std::size_t(gpu)];
  const Instruction i = (*g.program)[g.next];
  g.account(Spent::exposed_communication) += engine_.now() - g.idle_since;
  g.idle_since = engine_.now();
  g.running = false;
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
    if (--g.backwards_left[std::size_t(chunk)] == 0 && costs_.reduction_overlapped()) start_reduction(gpu, chunk);
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
                    "than its {:.4g} GB; recomputation, more stages or smaller micro-batches would help",
                    gpu_id_(g.seat), g.seat.rank, seconds(g.peak_at), double(g.peak) * 1e-9,
                    double(g.peak - costs_.memory().v) * 1e-9, double(costs_.memory().v) * 1e-9));
}

void Executor::add_span(const Gpu& g, std::string_view stream, const PieceRef& piece, Time start) {
  const TrackId track = spans_->track(gpu_id_(g.seat), stream);
  if (!spans_->wants(track, start, engine_.now())) return;
  spans_->add(track, spans_->name(fmt::format("{} {}", name_of(piece.piece), piece.micro_batch)), start, engine_.now(),
              costs_.layer(piece.stage, piece.block));
}
}  // namespace moesim
