#include "numerics/weights/attention_parts.h"

#include <stdexcept>

namespace moesim::numerics {
void add_attention_parts(spec::AttentionKind kind, const spec::Model& model, std::vector<PartShape>& out) {
  switch (kind) {
    case spec::AttentionKind::mha:
    case spec::AttentionKind::gqa:
      return add_grouped_parts(model, out);
    case spec::AttentionKind::mla:
      return add_latent_parts(model, out);
    case spec::AttentionKind::gated_delta:
      return add_delta_parts(model, out);
    case spec::AttentionKind::mamba2:
      return add_mamba_parts(model, out);
    case spec::AttentionKind::none:
      return;
  }
  throw std::logic_error("a kind of attention whose tensors nobody knows");
}
}  // namespace moesim::numerics
