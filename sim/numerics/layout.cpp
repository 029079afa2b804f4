#include "numerics/layout.h"

#include "core/check.h"

namespace moesim {
namespace {
void add_attention(const Model& model, std::vector<PartShape>& out) {
  const AttentionShape& a = model.attention;
  const int hidden = model.hidden;
  if (a.kind == AttentionKind::mla) {
    if (a.q_lora_rank > 0) {
      out.push_back({Part::query_down, a.q_lora_rank, hidden});
      out.push_back({Part::query_down_norm, 1, a.q_lora_rank});
      out.push_back({Part::query_up, a.heads * a.head_dim, a.q_lora_rank});
    } else {
      out.push_back({Part::query, a.heads * a.head_dim, hidden});
    }
    out.push_back({Part::kv_down, a.kv_lora_rank + a.qk_rope_head_dim, hidden});
    out.push_back({Part::kv_down_norm, 1, a.kv_lora_rank});
    out.push_back({Part::kv_up, a.heads * (a.qk_nope_head_dim + a.v_head_dim), a.kv_lora_rank});
  } else {
    out.push_back({Part::query, a.heads * a.head_dim, hidden});
    out.push_back({Part::key, a.kv_heads * a.head_dim, hidden});
    out.push_back({Part::value, a.kv_heads * a.v_head_dim, hidden});
    if (a.qkv_bias) {
      out.push_back({Part::query_bias, 1, a.heads * a.head_dim});
      out.push_back({Part::key_bias, 1, a.kv_heads * a.head_dim});
      out.push_back({Part::value_bias, 1, a.kv_heads * a.v_head_dim});
    }
    if (model.has_qk_norm_weights()) {
      out.push_back({Part::query_norm, 1, a.head_dim});
      out.push_back({Part::key_norm, 1, a.head_dim});
    }
    if (a.sinks) out.push_back({Part::sinks, 1, a.heads});
  }
  out.push_back({Part::output, hidden, a.heads * a.v_head_dim});
  if (a.o_bias) out.push_back({Part::output_bias, 1, hidden});
}

void add_ffn(std::vector<PartShape>& out, Part gate, int width, int hidden) {
  out.push_back({gate, width, hidden});
  out.push_back({Part(int(gate) + 1), width, hidden});
  out.push_back({Part(int(gate) + 2), hidden, width});
}
}  // namespace

std::vector<PartShape> outer_parts(const Model& model) {
  std::vector<PartShape> out{{Part::embedding, model.vocabulary, model.hidden}, {Part::final_norm, 1, model.hidden}};
  if (!model.tied_embeddings) out.push_back({Part::head, model.vocabulary, model.hidden});
  return out;
}

bool has_experts(const Model& model, int layer) {
  return layer < model.layers ? model.is_moe_layer(layer) : model.moe.has_value();
}

std::vector<PartShape> layer_parts(const Model& model, int layer) {
  check(layer >= 0 && layer < model.layers + model.mtp_layers, "layer {} of {}", layer,
        model.layers + model.mtp_layers);
  const int hidden = model.hidden;
  std::vector<PartShape> out{{Part::attention_norm, 1, hidden}, {Part::ffn_norm, 1, hidden}};
  if (model.norms_per_layer == 4) {
    out.push_back({Part::attention_out_norm, 1, hidden});
    out.push_back({Part::ffn_out_norm, 1, hidden});
  }
  add_attention(model, out);
  if (has_experts(model, layer)) {
    const MoeShape& moe = *model.moe;
    out.push_back({Part::router, moe.experts, hidden});
    if (moe.router_linear_bias) out.push_back({Part::router_bias, 1, moe.experts});
    if (moe.selection_bias) out.push_back({Part::selection_bias, 1, moe.experts});
    if (moe.shared_experts > 0) add_ffn(out, Part::shared_gate, moe.shared_experts * moe.expert_width, hidden);
  } else {
    add_ffn(out, Part::dense_gate, model.dense_width, hidden);
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

std::vector<PartShape> expert_parts(const Model& model) {
  if (!model.moe) return {};
  std::vector<PartShape> out;
  const int width = model.moe->expert_width;
  add_ffn(out, Part::expert_gate, width, model.hidden);
  if (model.moe->expert_bias) {
    out.push_back({Part::expert_gate_bias, 1, width});
    out.push_back({Part::expert_up_bias, 1, width});
    out.push_back({Part::expert_down_bias, 1, model.hidden});
  }
  return out;
}
}  // namespace moesim
