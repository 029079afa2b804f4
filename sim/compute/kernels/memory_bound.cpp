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

// A kind below the full bandwidth is held back by its own instructions, so its rate follows the SMs it has and their
// clock.
double memory_seconds(const MemoryOp& m, const MemoryEquation& e, const Machine& on) {
  const double rate =
      std::min(on.hbm, on.hbm_of_gpu * rate_of(m.kind, e) * (m.serving ? e.serving : 1) * on.fill * on.boost);
  return seconds(e.floor) + double(m.bytes.v) / rate;
}

double chain_seconds(const SmallChain& s, const MemoryEquation& e) {
  return s.count * seconds(s.graph ? e.replayed : e.launched);
}
}  // namespace moesim::compute
