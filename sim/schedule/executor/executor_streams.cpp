// How a GPU's two streams walk the rows of a block template.
#include <fmt/format.h>

#include <algorithm>

#include "core/check.h"
#include "schedule/executor/executor_state.h"

namespace moesim::schedule {
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
}  // namespace

int Executor::block_at(const Gpu& g, const BlockStep& step, int slot) const {
  const Half& half = is_forward(step.piece) ? g.forward : g.backward;
  return half.blocks == nullptr ? -1 : (*half.blocks)[std::size_t(slot)];
}

PieceRef Executor::ref(const Gpu& g, const BlockStep& step, int slot) const {
  const Half& half = is_forward(step.piece) ? g.forward : g.backward;
  // Where neither half has an exchange, as in dense layers, there is nothing to lie beside.
  const auto exchanges = [&](const Half& h) {
    const int block = h.blocks == nullptr ? -1 : (*h.blocks)[std::size_t(slot)];
    return block >= 0 && costs_.traits(h.stage, block).exchanges;
  };
  const bool beside = step.beside && (exchanges(g.forward) || exchanges(g.backward));
  return {g.seat, half.stage, block_at(g, step, slot), half.micro_batch, step.piece, beside};
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
    if (block_at(g, step, slot) < 0) {
      ++g.done[std::size_t(step.piece)];
      ++g.communication.item;
      continue;
    }
    if (!step_ready(step, slot, g.done, false)) return;
    const PieceRef piece = ref(g, step, slot);
    if (!costs_.traits(piece.stage, piece.block).exchanges) {
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
  if (costs_.host_reads(piece)) g.launched = std::max(g.launched, engine_.now());
  Cell& cell = cells_[std::size_t(g.cell)];
  if (cell.past_at < engine_.now()) cell.past.clear();
  while (!cell.open.empty() && cell.open.front()->finished()) {
    cell.past.push_back(std::move(cell.open.front()));
    cell.past_at = engine_.now();
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
  g.communicating += engine_.now() - g.communication.since;
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
    if (block_at(g, step, g.compute.slot) < 0) {
      ++g.done[std::size_t(step.piece)];
      ++g.compute.item;
      continue;
    }
    if (!step_ready(step, g.compute.slot, g.done, g.weights_only)) return;
    if (!parameters_here(gpu, step, g.compute.slot)) return;
    const PieceRef piece = ref(g, step, g.compute.slot);
    if (step.piece == Piece::attention || step.piece == Piece::experts) hold(gpu, piece);
    g.now_running = costs_.compute(piece);
    squeeze(g, piece);
    const Time takes = g.now_running.busy + g.now_running.exposed;
    if (takes.v == 0) {
      piece_done(gpu, step, g.compute.slot);
      ++g.compute.item;
      run_communication(gpu);
      continue;
    }
    const Time now = engine_.now();
    g.account(Spent::exposed_communication) += now - g.idle_since;
    g.idle_since = now;
    g.compute.busy = true;
    g.compute.since = now;
    // The host runs ahead as far as it can; no piece ends before its last kernel is launched.
    g.launched += g.now_running.host;
    g.waits_for_host = std::max(Time{0}, g.launched - now - takes);
    engine_.after(takes + g.waits_for_host, "compute", [this, gpu] { compute_done(gpu); });
  }
}

void Executor::piece_done(int gpu, const BlockStep& step, int slot) {
  Gpu& g = gpus_[std::size_t(gpu)];
  ++g.done[std::size_t(step.piece)];
  if (!is_weight(step.piece)) return;
  for (const Piece piece : {Piece::experts_weight, Piece::shared_weight, Piece::attention_weight})
    if (g.done[std::size_t(piece)] <= slot) return;
  gradients_done(gpu, block_at(g, step, slot));
}

void Executor::compute_done(int gpu) {
  Gpu& g = gpus_[std::size_t(gpu)];
  const BlockStep& step = g.table->compute[g.compute.item];
  g.account(account_of((*g.program)[g.next].op)) += g.now_running.busy;
  g.account(Spent::exposed_communication) += g.now_running.exposed;
  g.account(Spent::host) += g.waits_for_host;
  g.idle_since = engine_.now();
  if (spans_ != nullptr) add_span(g, "compute", ref(g, step, g.compute.slot), g.compute.since);
  g.compute.busy = false;
  piece_done(gpu, step, g.compute.slot);
  ++g.compute.item;
  advance(gpu);
}

void Executor::add_span(const Gpu& g, std::string_view stream, const PieceRef& piece, Time start) {
  const results::TrackId track = spans_->track(gpu_id_(g.seat), stream);
  if (!spans_->wants(track, start, engine_.now())) return;
  spans_->add(track, spans_->name(fmt::format("{} {}", name_of(piece.piece), piece.micro_batch)), start, engine_.now(),
              costs_.layer(piece.stage, piece.block));
}
}  // namespace moesim::schedule
