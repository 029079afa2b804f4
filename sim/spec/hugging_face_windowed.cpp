// config.json of MiMo-V2, Step-3 and 3.7, Gemma-4 and LongCat-Flash, as their release's readers take it.
#include <algorithm>
#include <string>

#include "spec/hugging_face_released.h"
#include "spec/layer_shape.h"

namespace moesim::spec {
namespace {
void add_mimo(const Model& m, formats::Json& out) {
  const AttentionShape& a = m.attention;
  const WindowShape& w = *a.window_heads;
  out["v_head_dim"] = a.v_head_dim;
  out["add_full_attention_sink_bias"] = a.sinks;
  out["swa_num_attention_heads"] = w.heads;
  out["swa_num_key_value_heads"] = w.kv_heads;
  out["swa_head_dim"] = w.head_dim;
  out["swa_v_head_dim"] = w.v_head_dim;
  out["add_swa_attention_sink_bias"] = w.sinks;
  if (m.rope.local_theta > 0) out["swa_rope_theta"] = m.rope.local_theta;
  for (const LayerShape& layer : layer_shapes(m))
    out["hybrid_layer_pattern"].push_back(layer.attention.kind == AttentionKind::windowed ? 1 : 0);
}

void add_step(const Model& m, formats::Json& out) {
  if (m.attention.window_heads) {
    const WindowShape& w = *m.attention.window_heads;
    formats::Json& other = out["attention_other_setting"];
    other["num_attention_heads"] = w.heads;
    other["num_attention_groups"] = w.kv_heads;
    other["head_dim"] = w.head_dim;
  }
  out["num_experts"] = m.moe->experts;
  out["share_expert_dim"] = m.moe->shared_total();
  out["use_moe_router_bias"] = m.moe->selection_bias;
  out["moe_router_scaling_factor"] = m.moe->scale;
  out.erase("routed_scaling_factor");
}

void add_step3(const Model& m, formats::Json& out) {
  const MoeShape& s = *m.moe;
  out["share_q_dim"] = m.attention.q_lora_rank;
  out["moe_num_experts"] = s.experts;
  out["moe_top_k"] = s.top_k;
  out["share_expert_dim"] = s.shared_total();
  out["norm_expert_weight"] = s.normalise;
  std::string layers;
  for (const int layer : m.moe_layers()) layers += (layers.empty() ? "" : ",") + std::to_string(layer);
  out["moe_layers_enum"] = layers;
  for (const char* key :
       {"n_routed_experts", "num_experts_per_tok", "n_shared_experts", "first_k_dense_replace", "moe_layer_freq"})
    out.erase(key);
}

void add_gemma(const Model& m, formats::Json& out) {
  const AttentionShape& a = m.attention;
  out["enable_moe_block"] = m.moe.has_value();
  out["num_experts"] = m.moe->experts;
  out["top_k_experts"] = m.moe->top_k;
  out["moe_intermediate_size"] = m.moe->expert_width;
  out["attention_k_eq_v"] = a.keys_are_values;
  out["global_head_dim"] = a.head_dim;
  out["num_global_key_value_heads"] = a.kv_heads;
  if (a.window_heads) {
    out["head_dim"] = a.window_heads->head_dim;
    out["num_key_value_heads"] = a.window_heads->kv_heads;
  }
  formats::Json& rope = out["rope_parameters"];
  rope["full_attention"] = {
      {"rope_type", "default"}, {"rope_theta", m.rope.theta}, {"partial_rotary_factor", m.rope.partial}};
  rope["sliding_attention"] = {
      {"rope_type", "default"},
      {"rope_theta", m.rope.local_theta > 0 ? m.rope.local_theta : m.rope.theta},
      {"partial_rotary_factor", m.rope.local_partial > 0 ? m.rope.local_partial : m.rope.partial}};
  for (const char* key : {"n_routed_experts", "num_experts_per_tok", "first_k_dense_replace", "moe_layer_freq"})
    out.erase(key);
}

void add_longcat(const Model& m, formats::Json& out) {
  out["num_layers"] = m.layers / 2;
  out["ffn_hidden_size"] = m.dense_width;
  out["expert_ffn_hidden_size"] = m.moe->expert_width;
  out["zero_expert_num"] = m.moe->idle_experts;
  out["moe_topk"] = m.moe->top_k;
  for (const char* key : {"num_hidden_layers", "num_experts_per_tok", "n_shared_experts", "first_k_dense_replace",
                          "moe_layer_freq", "intermediate_size", "moe_intermediate_size"})
    out.erase(key);
}

struct Family {
  std::string_view type;
  bool (*is)(const Model&);
  void (*add)(const Model&, formats::Json&);
};
/// The first that a model is of.
constexpr Family kFamilies[] = {
    {"longcat_flash", [](const Model& m) { return m.moe && m.moe->shortcut; }, add_longcat},
    {"gemma4_text", [](const Model& m) { return m.moe && m.norms_branches(); }, add_gemma},
    {"step3_text", [](const Model& m) { return m.moe && m.attention.kind == AttentionKind::factored; }, add_step3},
    {"step3p7", [](const Model& m) { return m.moe && m.attention.head_gate; }, add_step},
    {"mimo_v2_flash", [](const Model& m) { return m.attention.window_heads.has_value(); }, add_mimo},
};
const Family* family_of(const Model& m) {
  const auto at = std::ranges::find_if(kFamilies, [&](const Family& f) { return f.is(m); });
  return at == std::end(kFamilies) ? nullptr : &*at;
}
}  // namespace

std::string_view type_with_windows(const Model& m) {
  const Family* family = family_of(m);
  return family == nullptr ? "" : family->type;
}

void add_with_windows(const Model& m, formats::Json& out) {
  if (const Family* family = family_of(m)) family->add(m, out);
}
}  // namespace moesim::spec
