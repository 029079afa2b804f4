// The end of a step: what is left of gradient reduction, the gradient norm, the optimiser, gathering that waits for it.
#include <algorithm>

#include "schedule/executor/executor_state.h"

namespace moesim::schedule {
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
      if (!costs_.reduction_overlapped() && !costs_.reduces_always())
        for (int chunk = 0; chunk < schedule_.chunks; ++chunk)
          for (int b = 0; b < costs_.blocks(schedule_.stage_of(g.seat.rank, chunk)); ++b)
            start_reduction(gpu, chunk, b, true);
      [[fallthrough]];
    case kReducing:
      if (g.reductions_left > 0) return;
      if (g.data_free > now) {
        engine_.at(g.data_free, "reduced", [this, gpu] { advance(gpu); });
        return;
      }
      spend(Spent::exposed_communication);
      g.optimizer_state = kNorming;
      if (const Time takes = costs_.norm_of_own(g.seat); takes.v > 0) {
        engine_.after(takes, "own norm", [this, gpu] { advance(gpu); });
        return;
      }
      [[fallthrough]];
    case kNorming:
      spend(Spent::optimizer);
      g.optimizer_state = kAtNorm;
      if (++at_norm_ == int(gpus_.size())) engine_.after(costs_.norm(), "norm", [this] { norm_known(); });
      return;
    case kAtNorm:
      return;
    case kUpdating:
      spend(Spent::optimizer);
      note_instruction(g, (*g.program)[g.next]);
      g.optimizer_state = kGathering;
      if (!costs_.gather_overlapped() && !costs_.gathers_always()) {
        Time sum{};
        for (int chunk = 0; chunk < schedule_.chunks; ++chunk)
          for (int b = 0; b < costs_.blocks(schedule_.stage_of(g.seat.rank, chunk)); ++b)
            sum += costs_.gather(g.seat.rank, chunk, b);
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
    g.idle_since = g.began = engine_.now();
    g.optimizer_state = kUpdating;
    engine_.after(costs_.optimizer(g.seat), "optimizer", [this, gpu] { advance(gpu); });
  }
}
}  // namespace moesim::schedule
