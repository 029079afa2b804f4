// Memory-bound kernels: the bytes they move at their kind's rate, and a floor for launch and latency.
#include <algorithm>

#include "compute/kernels/equations.h"

namespace moesim::compute {
namespace {
double rate_of(MemoryKind kind, const MemoryEquation& e) {
  switch (kind) {
    case MemoryKind::norm:
      return e.norm;
    case MemoryKind::norm_backward:
      return e.norm_backward;
    case MemoryKind::cast:
      return e.cast;
    case MemoryKind::cast_transpose:
      return e.cast_transpose;
    case MemoryKind::transpose:
      return e.transpose;
    case MemoryKind::swiglu:
      return e.swiglu;
    case MemoryKind::swiglu_backward:
      return e.swiglu_backward;
    case MemoryKind::rope:
      return e.rope;
    case MemoryKind::permute:
      return e.permute;
    case MemoryKind::unpermute:
      return e.unpermute;
    case MemoryKind::top_k:
      return e.top_k;
    case MemoryKind::copy:
      return e.copy;
    case MemoryKind::add:
      return e.add;
    case MemoryKind::optimizer:
      return e.optimizer;
  }
  return 1;
}
}  // namespace

// A kind that its own instructions hold back has a rate that follows the SMs it has and their clock; what streams has a
// share of the bandwidth that they draw.
double memory_seconds(const MemoryOp& m, const MemoryEquation& e, const ServingMoves& serving, const Machine& on) {
  const bool streams = m.serving && m.kind != MemoryKind::cast;
  const double held = m.serving ? serving.cast : rate_of(m.kind, e);
  const double rate = streams ? on.hbm * serving.stream : std::min(on.hbm, on.hbm_of_gpu * held * on.fill * on.boost);
  return seconds(e.floor) + double(m.bytes.v) / rate;
}

double chain_seconds(const SmallChain& s, const MemoryEquation& e) {
  return s.count * seconds(s.graph ? e.replayed : e.launched);
}
}  // namespace moesim::compute
