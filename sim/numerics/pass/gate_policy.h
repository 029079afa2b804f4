// Who decides at a MoE layer: the model's published gate, or a variation of it to compare with.
#pragma once
#include "numerics/pass/arithmetic.h"
#include "numerics/pass/gate.h"

namespace moesim::numerics {

struct GateInput {
  const Machine& machine;
  const spec::MoeShape& moe;
  int layer = 0;
  const Matrix& hidden;         // (tokens, hidden), what the logits were made of
  const Matrix& logits;         // (tokens, experts)
  const float* bias = nullptr;  // (experts), the model's selection bias
};

class Gate {
 public:
  virtual ~Gate() = default;
  /// Chooses for every row of the logits; out is overwritten.  May keep state from call to call.
  virtual void choose(const GateInput& in, Routing& out) = 0;
};

/// choose_experts on all threads.
void choose_as_published(const GateInput& in, Routing& out);
}  // namespace moesim::numerics
