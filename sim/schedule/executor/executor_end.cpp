// The end of a step: gradient reduction, the gradient norm, the optimiser, the gathering of parameters.
#include <algorithm>

#include "schedule/executor/executor_state.h"

namespace moesim::schedule {
namespace {
enum { kArrives, kReducing, kAtNorm, kUpdating, kGathering };
}  // namespace

void Executor::start_reduction(int gpu, int chunk) {
  const GpuSeat seat = gpus_[std::size_t(gpu)].seat;
  int& joined = reductions_[std::size_t((seat.rank * schedule_.chunks + chunk) * shape_.members + seat.member)];
  if (++joined < shape_.replicas) return;
  // All replicas are there: each goes on from its own stream.
  for (int replica = 0; replica < shape_.replicas; ++replica) {
    const int other = (replica * schedule_.ranks + seat.rank) * shape_.members + seat.member;
    Gpu& g = gpus_[std::size_t(other)];
    g.data_free = std::max(g.data_free, engine_.now()) + costs_.reduction(seat.rank, chunk);
    if (--g.reductions_left == 0 && g.optimizer_state == kReducing)
      engine_.after(Time{0}, "reduced", [this, other] { advance(other); });
  }
}

void Executor::optimizer_phase(int gpu) {
  Gpu& g = gpus_[std::size_t(gpu)];
  const Time now = engine_.now();
  const auto spend = [&](Spent what) {
    g.account(what) += now - g.idle_since;
    g.idle_since = now;
  };
  switch (g.optimizer_state) {
    case kArrives:
      spend(Spent::bubble);
      g.optimizer_state = kReducing;
      if (!costs_.reduction_overlapped())
        for (int chunk = 0; chunk < schedule_.chunks; ++chunk) start_reduction(gpu, chunk);
      [[fallthrough]];
    case kReducing:
      if (g.reductions_left > 0) return;
      if (g.data_free > now) {
        engine_.at(g.data_free, "reduced", [this, gpu] { advance(gpu); });
        return;
      }
      spend(Spent::exposed_communication);
      g.optimizer_state = kAtNorm;
      if (++at_norm_ == int(gpus_.size())) engine_.after(costs_.norm(), "norm", [this] { norm_known(); });
      return;
    case kAtNorm:
      return;
    case kUpdating:
      spend(Spent::optimizer);
      g.optimizer_state = kGathering;
      if (!costs_.gather_overlapped()) {
        Time sum{};
        for (int chunk = 0; chunk < schedule_.chunks; ++chunk) sum += costs_.gather(g.seat.rank, chunk);
        engine_.after(sum, "gathered", [this, gpu] { advance(gpu); });
        return;
      }
      [[fallthrough]];
    case kGathering:
      spend(Spent::exposed_communication);
      g.finished = true;
  }
}

void Executor::norm_known() {
  for (int gpu = 0; gpu < int(gpus_.size()); ++gpu) {
    Gpu& g = gpus_[std::size_t(gpu)];
    g.account(Spent::bubble) += engine_.now() - costs_.norm() - g.idle_since;
    g.account(Spent::exposed_communication) += costs_.norm();
    g.idle_since = engine_.now();
    g.optimizer_state = kUpdating;
    engine_.after(costs_.optimizer(g.seat), "optimizer", [this, gpu] { advance(gpu); });
  }
}
}  // namespace moesim::schedule
