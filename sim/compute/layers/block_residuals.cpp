// Residuals over blocks of layers (Kimi-K3's AttnRes): each half of a layer attends, by a query and a norm of its own,
// to the summed results of the blocks before and of its own block so far.
#include "compute/layers/attention_inventory.h"

namespace moesim::compute {
// Serving systems score all halves of a block against the blocks before at once and join each half's own sum later, so
// that a half reads and writes a few rows, however many blocks there are: four in and two out (NVIDIA aiconfigurator
// 02beeaa, kimi_k3.py, context_attn_res).
void attend_to_blocks(OperationList& list, const LayerCall& c) {
  if (c.model.residual_blocks == 0) return;
  const std::int64_t rows = replicated_rows(c), elements = rows * c.model.hidden;
  list.moved("attend to blocks", MemoryKind::norm, 4 * elements, spec::Dtype::bf16, 2 * elements, spec::Dtype::bf16,
             2.0 * c.model.hidden, rows);
}
// Gradients and what was read in, gradients of that out.
void attend_to_blocks_backward(OperationList& list, const LayerCall& c) {
  if (c.model.residual_blocks == 0) return;
  const std::int64_t rows = replicated_rows(c), elements = rows * c.model.hidden;
  list.moved("attend to blocks backward", MemoryKind::norm_backward, 6 * elements, spec::Dtype::bf16, 4 * elements,
             spec::Dtype::bf16, 2 * 2.0 * c.model.hidden, rows);
}
}  // namespace moesim::compute
