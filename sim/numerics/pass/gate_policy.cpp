#include "numerics/pass/gate_policy.h"

namespace moesim::numerics {

void choose_as_published(const GateInput& in, Routing& out) {
  const int tokens = in.logits.rows, top_k = in.moe.top_k;
  out.tokens = tokens;
  out.top_k = top_k;
  out.experts.resize(std::size_t(tokens) * std::size_t(top_k));
  out.weights.resize(out.experts.size());
  each_block(in.machine, tokens, 64, [&](int first, int count) {
    choose_experts(in.moe, in.logits.row(first), count, in.bias, out.experts.data() + std::int64_t(first) * top_k,
                   out.weights.data() + std::int64_t(first) * top_k);
  });
}
}  // namespace moesim::numerics
