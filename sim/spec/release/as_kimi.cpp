// Kimi Linear and Kimi-K3 as models to run: layers of KDA beside MLA without positions, and residuals over blocks of
// layers.
#include <variant>

#include "spec/release/as_model.h"

namespace moesim::spec {
void set_kimi(const Described& d, Model& m) {
  KimiShape shape;
  for (std::size_t i = 0; i < d.plan.layers.size(); ++i) {
    const LayerPlan& layer = d.plan.layers[i];
    const KimiDeltaPlan* const p =
        layer.mixers.size() == 1 ? std::get_if<KimiDeltaPlan>(&layer.mixers.front()) : nullptr;
    if (!p) continue;
    shape.heads = p->heads;
    shape.dim = p->dim;
    shape.convolution = p->convolution;
    shape.full_gate = p->full_gate;
    shape.layers.push_back(int(i));
  }
  if (shape.layers.empty()) return;
  m.kimi = shape;
  m.residual_blocks = d.text.whole_or("attn_res_block_size", 0);
  if (d.text.flag_or("mla_use_nope", false)) m.rope.no_rope_every = 1;
}
}  // namespace moesim::spec
