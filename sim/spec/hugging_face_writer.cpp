#include <numeric>

#include "formats/json.h"
#include "spec/hugging_face.h"
#include "spec/hugging_face_released.h"
#include "spec/layer_shape.h"

namespace moesim::spec {
namespace {
std::string_view model_type(const Model& m) {
  const ArchitectureTraits& family = traits_of(m.architecture);
  if (m.kimi) return "kimi_linear";
  if (m.attention.blocks) return "minimax_m3";
  if (const std::string_view own = type_with_windows(m); !own.empty()) return own;
  return family.written_type.empty() ? name_of(family.of) : family.written_type;
}

void add_latents(const AttentionShape& a, formats::Json& out) {
  out["q_lora_rank"] = a.q_lora_rank > 0 ? formats::Json(a.q_lora_rank) : formats::Json(nullptr);
  out["kv_lora_rank"] = a.kv_lora_rank;
  out["qk_nope_head_dim"] = a.qk_nope_head_dim;
  out["qk_rope_head_dim"] = a.qk_rope_head_dim;
  out["v_head_dim"] = a.v_head_dim;
}

void add_indexer(const Model& m, formats::Json& out) {
  const IndexerShape& x = *m.attention.indexer;
  out["index_n_heads"] = x.heads;
  out["index_head_dim"] = x.head_dim;
  out["index_topk"] = x.top_k;
  out["indexer_rope_interleave"] = x.interleaved_rope;
  for (const LayerShape& layer : layer_shapes(m))
    out["indexer_types"].push_back(layer.attention.index == IndexUse::own ? "full" : "shared");
}

/// Llama-4's chunks, its layers without positions and how they sharpen their queries.
void add_chunks(const Model& m, const std::vector<LayerShape>& layers, formats::Json& out) {
  const AttentionShape& a = m.attention;
  out["attention_chunk_size"] = windowed_read(m).width;
  for (const LayerShape& layer : layers) out["no_rope_layers"].push_back(layer.attention.rope.active ? 1 : 0);
  out["attn_temperature_tuning"] = a.temperature_scale > 0;
  if (a.temperature_scale > 0) out["attn_scale"] = a.temperature_scale, out["floor_scale"] = a.temperature_floor;
}

void add_heads(const Model& m, formats::Json& out) {
  const AttentionShape& a = m.attention;
  const ArchitectureTraits& family = traits_of(m.architecture);
  const std::vector<LayerShape> layers = layer_shapes(m);
  out["head_dim"] = a.head_dim;
  out["attention_bias"] = a.qkv_bias;
  if (family.qk_norm_key) out["use_qk_norm"] = a.qk_norm;
  if (a.query_scalar > 0) out["query_pre_attn_scalar"] = a.query_scalar;
  if (family.chunk_keys) return add_chunks(m, layers, out);
  if (a.sliding_window == 0) return;
  out["sliding_window"] = windowed_read(m).width;
  for (const LayerShape& layer : layers)
    out["layer_types"].push_back(layer.attention.reads.bounded() ? "sliding_attention" : "full_attention");
}

void add_attention(const Model& m, formats::Json& out) {
  out["num_attention_heads"] = m.attention.heads;
  out["num_key_value_heads"] = m.attention.kv_heads;
  switch (m.attention.kind) {
    case AttentionKind::mha:
    case AttentionKind::gqa:
    case AttentionKind::block_sparse:
    case AttentionKind::factored:
      return add_heads(m, out);
    case AttentionKind::mla:
      return add_latents(m.attention, out);
    case AttentionKind::dsa:
      add_latents(m.attention, out);
      return add_indexer(m, out);
    case AttentionKind::gated_delta:  // beside another kind: add_released()
    case AttentionKind::mamba2:
    case AttentionKind::kimi_delta:
    case AttentionKind::compressed:
    case AttentionKind::windowed:
    case AttentionKind::none:
      break;
  }
}

void add_rope(const RopeShape& r, formats::Json& out) {
  out["rope_theta"] = r.theta;
  if (r.local_theta > 0) out["rope_local_base_freq"] = r.local_theta;
  if (r.partial != 1) out["partial_rotary_factor"] = r.partial;
  if (r.scaling == "none") return;
  formats::Json& s = out["rope_scaling"];
  s["rope_type"] = s["type"] = r.scaling;  // the second is what remote code of older models reads
  s["factor"] = r.factor;
  if (r.original_positions > 0) s["original_max_position_embeddings"] = r.original_positions;
  if (r.scaling == "yarn") {
    s["beta_fast"] = r.beta_fast;
    s["beta_slow"] = r.beta_slow;
    if (r.mscale_all_dim > 0) s["mscale"] = r.mscale, s["mscale_all_dim"] = r.mscale_all_dim;
    s["truncate"] = r.truncate;
  } else if (r.scaling == "llama3") {
    s["low_freq_factor"] = r.low_freq_factor;
    s["high_freq_factor"] = r.high_freq_factor;
  }
}

void add_deepseek_moe(const MoeShape& s, formats::Json& out) {
  out["n_routed_experts"] = s.experts;
  out["moe_intermediate_size"] = s.expert_width;
  out["n_shared_experts"] = s.shared_experts > 0 ? formats::Json(s.shared_experts) : formats::Json(nullptr);
  out["num_experts_per_tok"] = s.top_k;
  out["first_k_dense_replace"] = s.first_dense_layers;
  out["moe_layer_freq"] = s.layer_frequency;
  out["scoring_func"] = name_of(s.score);
  out["topk_method"] = name_of(s.selection);
  out["n_group"] = s.groups;
  out["topk_group"] = s.groups_used;
  out["norm_topk_prob"] = s.normalise;
  out["routed_scaling_factor"] = s.scale;
  out["aux_loss_alpha"] = s.balance_loss;
}

void add_qwen_moe(const MoeShape& s, formats::Json& out) {
  out["num_experts_per_tok"] = s.top_k;
  out["router_aux_loss_coef"] = s.balance_loss;
  out["num_experts"] = s.experts;
  out["moe_intermediate_size"] = s.expert_width;
  out["norm_topk_prob"] = s.normalise;
  out["decoder_sparse_step"] = s.layer_frequency;
  std::vector<int> dense(static_cast<std::size_t>(s.first_dense_layers));
  std::iota(dense.begin(), dense.end(), 0);
  out["mlp_only_layers"] = dense;
}

void add_local_moe(const MoeShape& s, formats::Json& out) {
  out["num_experts_per_tok"] = s.top_k;
  out["router_aux_loss_coef"] = s.balance_loss;
  out["num_local_experts"] = s.experts;
  out["intermediate_size"] = s.expert_width;
}

void add_moe(const Model& m, formats::Json& out) {
  const MoeShape& s = *m.moe;
  switch (traits_of(m.architecture).moe) {
    case MoeKeys::deepseek:
      return add_deepseek_moe(s, out);
    case MoeKeys::qwen:
      return add_qwen_moe(s, out);
    case MoeKeys::olmoe:
      add_qwen_moe(s, out);
      out["intermediate_size"] = s.expert_width;
      return;
    case MoeKeys::minimax:
    case MoeKeys::none:
    case MoeKeys::local_experts:
      return add_local_moe(s, out);
    case MoeKeys::llama4:
      add_local_moe(s, out);
      out["intermediate_size_mlp"] = m.dense_width;
      out["interleave_moe_layer_step"] = s.layer_frequency;
  }
}
}  // namespace

std::string hugging_face_json(const Model& m, std::string_view dtype) {
  formats::Json out{{"model_type", model_type(m)},
                    {"torch_dtype", dtype},
                    {"vocab_size", m.vocabulary},
                    {"hidden_size", m.hidden},
                    {"num_hidden_layers", m.layers}};
  if (m.dense_width > 0) out["intermediate_size"] = m.dense_width;
  add_attention(m, out);
  if (m.moe) add_moe(m, out);
  add_rope(m.rope, out);
  if (traits_of(m.architecture).from_release || m.kimi || m.attention.blocks) add_released(m, out);
  if (!type_with_windows(m).empty()) add_with_windows(m, out);
  if (m.swiglu_limit > 0) out["swiglu_limit"] = m.swiglu_limit;
  out["rms_norm_eps"] = m.norm_epsilon;
  out["max_position_embeddings"] = m.max_positions;
  out["tie_word_embeddings"] = m.tied_embeddings;
  if (m.mtp_layers > 0) out["num_nextn_predict_layers"] = m.mtp_layers;
  return formats::json_text(out, 2) + "\n";
}
}  // namespace moesim::spec
