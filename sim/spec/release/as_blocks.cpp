// MiniMax-M3 as a model to run: layers that pick blocks of keys, and layers that attend to every key.
#include <variant>

#include "spec/release/as_model.h"

namespace moesim::spec {
void set_blocks(const Described& d, Model& m, const std::function<void(std::string_view)>& refuse) {
  BlockShape shape;
  for (std::size_t i = 0; i < d.plan.layers.size(); ++i) {
    const LayerPlan& layer = d.plan.layers[i];
    const HeadPlan* const p = layer.mixers.size() == 1 ? std::get_if<HeadPlan>(&layer.mixers.front()) : nullptr;
    if (!p || p->index_heads == 0) continue;
    if (p->window > 0) refuse("windows beside blocks that an indexer picks have no kernels yet");
    shape.heads = p->index_heads;
    shape.head_dim = p->index_dim;
    shape.block = p->index_block;
    shape.blocks = p->index_blocks;
    shape.layers.push_back(int(i));
  }
  if (shape.layers.empty()) return;
  m.attention.kind = AttentionKind::block_sparse;
  m.attention.blocks = shape;
}
}  // namespace moesim::spec
