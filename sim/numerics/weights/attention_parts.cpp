#include "numerics/weights/attention_parts.h"

#include <fmt/format.h>

#include <stdexcept>

namespace moesim::numerics {
void add_attention_parts(const spec::LayerAttention& attention, const spec::Model& model, std::vector<PartShape>& out) {
  switch (attention.kind) {
    case spec::AttentionKind::mha:
    case spec::AttentionKind::gqa:
      return add_grouped_parts(model, out);
    case spec::AttentionKind::mla:
      return add_latent_parts(model, out);
    case spec::AttentionKind::dsa:
      return add_sparse_parts(model, attention.index, out);
    case spec::AttentionKind::gated_delta:
      return add_delta_parts(model, out);
    case spec::AttentionKind::mamba2:
      return add_mamba_parts(model, out);
    case spec::AttentionKind::kimi_delta:
    case spec::AttentionKind::block_sparse:
    case spec::AttentionKind::windowed:
    case spec::AttentionKind::factored:
      throw ConfigError(
          fmt::format("{}: layers of {} have costs and no forward pass", model.name, name_of(attention.kind)));
    case spec::AttentionKind::compressed:
      throw ConfigError(fmt::format(
          "{}: attention over entries is computed by a pass of its own, with tensors of its own", model.name));
    case spec::AttentionKind::none:
      return;
  }
  throw std::logic_error("a kind of attention whose tensors nobody knows");
}
}  // namespace moesim::numerics
