// The gate of a shared expert: one number a token from the layer's input, whose sigmoid its result is multiplied by.
#include "compute/layers/operation_list.h"

namespace moesim::compute {
void gate_shared(OperationList& list, std::int64_t tokens, std::int64_t hidden) {
  list.moved("shared gate", MemoryKind::norm, tokens * hidden, spec::Dtype::bf16, tokens, spec::Dtype::fp32,
             double(hidden), tokens);
  list.moved("gate shared output", MemoryKind::add, tokens * hidden, spec::Dtype::bf16, tokens * hidden,
             spec::Dtype::bf16);
}

// The input, the result before its gate and the gradient in; two gradients out.
void gate_shared_backward(OperationList& list, std::int64_t tokens, std::int64_t hidden) {
  list.moved("shared gate backward", MemoryKind::norm_backward, 3 * tokens * hidden, spec::Dtype::bf16,
             2 * tokens * hidden, spec::Dtype::bf16, 2 * double(hidden), tokens);
}
}  // namespace moesim::compute
