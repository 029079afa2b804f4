// The data-parallel stream: gradients leave block by block as backwards finish them, parameters come a block ahead.
#include <algorithm>

#include "schedule/executor/executor_state.h"

namespace moesim::schedule {

std::size_t Executor::block_number(int rank, int chunk, int block) const {
  return first_block_[std::size_t(rank * schedule_.chunks + chunk)] + std::size_t(block);
}

/// All gradients of a block's weights are there, of one micro-batch.
void Executor::gradients_done(int gpu, int block) {
  const Gpu& g = gpus_[std::size_t(gpu)];
  const int chunk = g.backward.chunk;
  const bool last = g.backwards_left[std::size_t(chunk)] == 1;
  if (reduces_always_ || (last && costs_.reduction_overlapped())) start_reduction(gpu, chunk, block, last);
}

/// Waits for all others that hold the block at its last reduction; earlier ones (ZeRO 2) go on the GPU's own time.
void Executor::start_reduction(int gpu, int chunk, int block, bool last) {
  const GpuSeat seat = gpus_[std::size_t(gpu)].seat;
  const Time takes = costs_.reduction(seat.rank, chunk, block);
  if (!last) {
    Gpu& g = gpus_[std::size_t(gpu)];
    g.reduced = g.data_free = std::max(g.data_free, engine_.now()) + takes;
    return;
  }
  // Where the schedule runs both ways two ranks hold the stage: the first one's chunk 0, the other's chunk 1.
  const bool shared = schedule_.layout == Layout::two_way;
  const int of = shared ? schedule_.stage_of(seat.rank, chunk) : seat.rank;
  int& joined =
      reductions_[block_number(of, shared ? 0 : chunk, block) * std::size_t(shape_.members) + std::size_t(seat.member)];
  if (++joined < shape_.replicas * schedule_.copies()) return;
  // All are there: each goes on from its own stream.
  for (int replica = 0; replica < shape_.replicas; ++replica)
    for (int copy = 0; copy < schedule_.copies(); ++copy) {
      const int rank = copy == 0 ? of : schedule_.ranks - 1 - of;
      const int other = (replica * schedule_.ranks + rank) * shape_.members + seat.member;
      Gpu& g = gpus_[std::size_t(other)];
      g.reduced = g.data_free = std::max(g.data_free, engine_.now()) + takes;
      if (--g.reductions_left == 0 && g.optimizer_state == kReducing)
        engine_.after(Time{0}, "reduced", [this, other] { advance(other); });
    }
}

/// Without ZeRO 3: the parameters that the last step updated come block after block, in the order of the first
/// forwards.
void Executor::begin_gathers() {
  if (!costs_.gather_overlapped() || costs_.gathers_always()) return;
  first_gathers_.assign(first_block_.back(), Time{});
  for (int rank = 0; rank < schedule_.ranks; ++rank) {
    Time sum{};
    std::vector<bool> seen(std::size_t(schedule_.chunks));
    for (const Instruction& i : schedule_.programs[std::size_t(rank)]) {
      if ((i.op != Op::forward && i.op != Op::overlapped) || seen[std::size_t(i.chunk)]) continue;
      seen[std::size_t(i.chunk)] = true;
      for (int b = 0; b < costs_.blocks(schedule_.stage_of(rank, i.chunk)); ++b) {
        sum += costs_.gather(rank, i.chunk, b);
        first_gathers_[block_number(rank, i.chunk, b)] = start_ + sum;
      }
    }
    for (Gpu& g : gpus_)
      if (g.seat.rank == rank) g.all_gathered = g.data_free = start_ + sum;
  }
}

/// Asks for the parameters of a half's blocks up to and with this slot's.
void Executor::fetch(Gpu& g, Half& half, int slot) {
  if (half.blocks == nullptr) return;
  half.ready.resize(std::max(half.ready.size(), std::size_t(g.slots)));
  for (; half.fetched <= slot && half.fetched < g.slots; ++half.fetched) {
    const int block = (*half.blocks)[std::size_t(half.fetched)];
    Time& ready = half.ready[std::size_t(half.fetched)];
    ready = Time{};
    if (block < 0) continue;
    std::optional<Time>& ahead = &half == &g.forward ? g.forward_ahead : g.backward_ahead;
    if (!ahead)
      ready = g.data_free = std::max(g.data_free, engine_.now()) + costs_.gather(g.seat.rank, half.chunk, block);
    else
      ready = *ahead;
    ahead.reset();
  }
}

/// Asks for the parameters of the next instruction's first blocks.
void Executor::fetch_ahead(Gpu& g) {
  if (g.next + 1 >= g.program->size()) return;
  const Instruction& i = (*g.program)[g.next + 1];
  const auto ask = [&](int chunk, int block) {
    return g.data_free = std::max(g.data_free, engine_.now()) + costs_.gather(g.seat.rank, chunk, block);
  };
  const bool pair = i.op == Op::overlapped;
  if ((i.op == Op::forward || pair) && !g.forward_ahead) g.forward_ahead = ask(i.chunk, 0);
  if ((i.op == Op::backward || i.op == Op::backward_input || pair) && !g.backward_ahead) {
    const int chunk = pair ? i.backward_chunk : i.chunk;
    g.backward_ahead = ask(chunk, costs_.blocks(schedule_.stage_of(g.seat.rank, chunk)) - 1);
  }
}

Time squeezed_for(Time beside, Time alone, Time squeezed) {
  if (squeezed <= alone || beside.v <= 0) return alone;
  if (beside >= squeezed) return squeezed;
  return alone + Time{std::int64_t(double(beside.v) * double((squeezed - alone).v) / double(squeezed.v))};
}

/// A collective that is under way when a piece begins holds SMs until it ends.
void Executor::squeeze(Gpu& g, const PieceRef& piece) {
  const Time now = engine_.now();
  if (g.data_free <= now || g.now_running.busy.v == 0) return;
  g.now_running.busy = squeezed_for(g.data_free - now, g.now_running.busy, costs_.squeezed(piece));
}

/// Whether a piece has its block's parameters, and whether an exposed reduction is over; else the GPU is woken then.
bool Executor::parameters_here(int gpu, const BlockStep& step, int slot) {
  Gpu& g = gpus_[std::size_t(gpu)];
  const Time now = engine_.now();
  if (now >= g.all_gathered && !gathers_always_ && !exposes_reductions_) return true;
  Time from{};
  if (is_forward(step.piece) && now < g.all_gathered)
    from = first_gathers_[block_number(g.seat.rank, g.forward.chunk, block_at(g, step, slot))];
  if (gathers_always_ && !g.weights_only) {
    Half& half = is_forward(step.piece) ? g.forward : g.backward;
    fetch(g, half, slot);
    from = std::max(from, half.ready[std::size_t(slot)]);
    if (costs_.gather_overlapped() && from <= now) {
      fetch(g, g.forward, slot + 1);
      fetch(g, g.backward, slot + 1);
      if (slot + 1 == g.slots) fetch_ahead(g);
    }
  }
  if (exposes_reductions_) from = std::max(from, g.reduced);
  if (from <= now) return true;
  if (g.waits_until != from) engine_.at(from, "gathered", [this, gpu] { advance(gpu); });
  g.waits_until = from;
  return false;
}
}  // namespace moesim::schedule
