#include "numerics/weights/layout.h"

#include "core/check.h"
#include "numerics/weights/attention_parts.h"
#include "spec/layer_shape.h"

namespace moesim::numerics {
namespace {
void add_attention(const spec::Model& model, int layer, std::vector<PartShape>& out) {
  const spec::AttentionShape& a = model.attention;
  const spec::LayerAttention attention = spec::layer_shape(model, layer).attention;
  add_attention_parts(attention, model, out);
  if (!spec::caches_tokens(attention.kind)) return;  // with an output projection of its own
  out.push_back({Part::output, model.hidden, a.heads * a.v_head_dim});
  if (a.o_bias) out.push_back({Part::output_bias, 1, model.hidden});
}

/// Gate (where the family has one), up and down, which follow it in Part.
void add_ffn(std::vector<PartShape>& out, const spec::Model& model, Part gate, int width) {
  const int hidden = model.hidden;
  if (spec::traits_of(model.architecture).gating != spec::Gating::relu_squared) out.push_back({gate, width, hidden});
  out.push_back({Part(int(gate) + 1), width, hidden});
  out.push_back({Part(int(gate) + 2), hidden, width});
}
}  // namespace

std::vector<PartShape> outer_parts(const spec::Model& model) {
  std::vector<PartShape> out{{Part::embedding, model.vocabulary, model.hidden}, {Part::final_norm, 1, model.hidden}};
  if (!model.tied_embeddings) out.push_back({Part::head, model.vocabulary, model.hidden});
  return out;
}

std::vector<PartShape> layer_parts(const spec::Model& model, int layer) {
  check(layer >= 0 && layer < model.layers + model.mtp_layers, "layer {} of {}", layer,
        model.layers + model.mtp_layers);
  if (model.moe && model.moe->latent_width > 0)
    throw ConfigError("moe.latent_width", "experts of another width than the model's have no forward pass");
  if (model.moe && (model.moe->idle_experts > 0 || model.moe->dense_beside))
    throw ConfigError("moe", "experts beside a dense network, or outputs that compute nothing, have no forward pass");
  if (model.attention.head_gate || model.attention.keys_are_values)
    throw ConfigError("attention", "gates by head, and keys that are the values, have no forward pass");
  const int hidden = model.hidden;
  const spec::LayerShape shape = spec::layer_shape(model, layer);
  std::vector<PartShape> out;
  if (shape.attention.kind != spec::AttentionKind::none) out.push_back({Part::attention_norm, 1, hidden});
  if (shape.ffn.kind != spec::FfnKind::none) out.push_back({Part::ffn_norm, 1, hidden});
  if (model.norms_per_layer == 4) {
    out.push_back({Part::attention_out_norm, 1, hidden});
    out.push_back({Part::ffn_out_norm, 1, hidden});
  }
  add_attention(model, layer, out);
  if (spec::has_experts(model, layer)) {
    const spec::MoeShape& moe = *model.moe;
    out.push_back({Part::router, moe.experts, hidden});
    if (moe.router_linear_bias) out.push_back({Part::router_bias, 1, moe.experts});
    if (moe.selection_bias) out.push_back({Part::selection_bias, 1, moe.experts});
    if (moe.shared_experts > 0) add_ffn(out, model, Part::shared_gate, moe.shared_total());
    if (moe.shared_gate) out.push_back({Part::shared_output_gate, 1, hidden});
  } else if (shape.ffn.kind == spec::FfnKind::dense) {
    add_ffn(out, model, Part::dense_gate, model.dense_width);
  }
  if (layer >= model.layers) {
    out.push_back({Part::mtp_embedding_norm, 1, hidden});
    out.push_back({Part::mtp_hidden_norm, 1, hidden});
    out.push_back({Part::mtp_projection, hidden, 2 * hidden});
    out.push_back({Part::mtp_embedding, model.vocabulary, hidden});
    out.push_back({Part::mtp_head_norm, 1, hidden});
    out.push_back({Part::mtp_head, model.vocabulary, hidden});
  }
  return out;
}

std::vector<PartShape> expert_parts(const spec::Model& model) {
  if (!model.moe) return {};
  std::vector<PartShape> out;
  const int width = model.moe->expert_width;
  add_ffn(out, model, Part::expert_gate, width);
  if (model.moe->expert_bias) {
    out.push_back({Part::expert_gate_bias, 1, width});
    out.push_back({Part::expert_up_bias, 1, width});
    out.push_back({Part::expert_down_bias, 1, model.hidden});
  }
  return out;
}
}  // namespace moesim::numerics
