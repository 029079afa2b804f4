// Hugging Face's tensor names, one table for what all architectures share and the exceptions by architecture.
// Source: the modeling files of transformers for each model_type, and the released checkpoints' indices.
#include <fmt/format.h>

#include "core/check.h"
#include "numerics/layout.h"

namespace moesim {
namespace {
/// The common names, below "model.layers.N.".
std::string_view common_name(Part part) {
  switch (part) {
    case Part::embedding:
      return "embed_tokens.weight";
    case Part::final_norm:
      return "norm.weight";
    case Part::head:
      return "lm_head.weight";
    case Part::attention_norm:
      return "input_layernorm.weight";
    case Part::attention_out_norm:
      return "post_attention_layernorm.weight";
    case Part::ffn_norm:
      return "post_attention_layernorm.weight";
    case Part::ffn_out_norm:
      return "post_feedforward_layernorm.weight";
    case Part::query:
      return "self_attn.q_proj.weight";
    case Part::query_bias:
      return "self_attn.q_proj.bias";
    case Part::query_norm:
      return "self_attn.q_norm.weight";
    case Part::key:
      return "self_attn.k_proj.weight";
    case Part::key_bias:
      return "self_attn.k_proj.bias";
    case Part::key_norm:
      return "self_attn.k_norm.weight";
    case Part::value:
      return "self_attn.v_proj.weight";
    case Part::value_bias:
      return "self_attn.v_proj.bias";
    case Part::query_down:
      return "self_attn.q_a_proj.weight";
    case Part::query_down_norm:
      return "self_attn.q_a_layernorm.weight";
    case Part::query_up:
      return "self_attn.q_b_proj.weight";
    case Part::kv_down:
      return "self_attn.kv_a_proj_with_mqa.weight";
    case Part::kv_down_norm:
      return "self_attn.kv_a_layernorm.weight";
    case Part::kv_up:
      return "self_attn.kv_b_proj.weight";
    case Part::output:
      return "self_attn.o_proj.weight";
    case Part::output_bias:
      return "self_attn.o_proj.bias";
    case Part::sinks:
      return "self_attn.sinks";
    case Part::dense_gate:
      return "mlp.gate_proj.weight";
    case Part::dense_up:
      return "mlp.up_proj.weight";
    case Part::dense_down:
      return "mlp.down_proj.weight";
    case Part::router:
      return "mlp.gate.weight";
    case Part::router_bias:
      return "mlp.gate.bias";
    case Part::selection_bias:
      return "mlp.gate.e_score_correction_bias";
    case Part::shared_gate:
      return "mlp.shared_experts.gate_proj.weight";
    case Part::shared_up:
      return "mlp.shared_experts.up_proj.weight";
    case Part::shared_down:
      return "mlp.shared_experts.down_proj.weight";
    case Part::mtp_embedding_norm:
      return "enorm.weight";
    case Part::mtp_hidden_norm:
      return "hnorm.weight";
    case Part::mtp_projection:
      return "eh_proj.weight";
    case Part::mtp_embedding:
      return "embed_tokens.weight";
    case Part::mtp_head_norm:
      return "shared_head.norm.weight";
    case Part::mtp_head:
      return "shared_head.head.weight";
    case Part::expert_gate:
      return "gate_proj.weight";
    case Part::expert_up:
      return "up_proj.weight";
    case Part::expert_down:
      return "down_proj.weight";
    case Part::expert_gate_bias:
      return "gate_proj.bias";
    case Part::expert_up_bias:
      return "up_proj.bias";
    case Part::expert_down_bias:
      return "down_proj.bias";
  }
  throw std::logic_error("a part without a name");
}

std::string layer_name(const Model& model, Part part) {
  const std::string& kind = model.architecture;
  if (kind == "mixtral" && part == Part::router) return "block_sparse_moe.gate.weight";
  if (kind == "gemma3" && part == Part::ffn_norm) return "pre_feedforward_layernorm.weight";
  if (kind == "gpt_oss" && part == Part::router) return "mlp.router.weight";
  if (kind == "gpt_oss" && part == Part::router_bias) return "mlp.router.bias";
  if (kind == "llama4") {
    if (part == Part::router) return "feed_forward.router.weight";
    std::string name(common_name(part));
    if (name.starts_with("mlp.shared_experts.")) return "feed_forward.shared_expert." + name.substr(19);
    if (name.starts_with("mlp.")) return "feed_forward." + name.substr(4);
    return name;
  }
  return std::string(common_name(part));
}

std::string expert_name(const Model& model, Part part, int expert) {
  if (model.architecture != "mixtral") return fmt::format("mlp.experts.{}.{}", expert, common_name(part));
  const char* name = part == Part::expert_gate ? "w1" : part == Part::expert_up ? "w3" : "w2";
  return fmt::format("block_sparse_moe.experts.{}.{}.weight", expert, name);
}

/// gpt-oss and Llama-4 store all experts of a layer in one tensor, inputs before outputs; gpt-oss has gate and up
/// columns in turn, Llama-4 side by side.
StoredPlace fused_expert(const Model& model, const PartShape& shape, const std::string& prefix, int expert) {
  const bool interleaved = model.architecture == "gpt_oss";
  const std::int64_t experts = model.moe->experts, width = model.moe->expert_width, hidden = model.hidden, e = expert;
  const std::string folder = prefix + (interleaved ? "mlp.experts." : "feed_forward.experts.");
  const std::int64_t step = interleaved ? 2 : 1, up_offset = interleaved ? 1 : width;
  switch (shape.part) {
    case Part::expert_gate:
    case Part::expert_up:
      return {folder + "gate_up_proj",
              {experts, hidden, 2 * width},
              e * hidden * 2 * width + (shape.part == Part::expert_up ? up_offset : 0),
              step,
              2 * width};
    case Part::expert_down:
      return {folder + "down_proj", {experts, width, hidden}, e * width * hidden, 1, hidden};
    case Part::expert_gate_bias:
    case Part::expert_up_bias:
      return {folder + "gate_up_proj_bias",
              {experts, 2 * width},
              e * 2 * width + (shape.part == Part::expert_up_bias ? up_offset : 0),
              0,
              step};
    default:
      return {folder + "down_proj_bias", {experts, hidden}, e * hidden, 0, 1};
  }
}
}  // namespace

StoredPlace stored_place(const Model& model, const PartShape& shape, int layer, int expert) {
  const bool outer = shape.part == Part::embedding || shape.part == Part::final_norm || shape.part == Part::head;
  const std::string prefix = outer ? "model." : fmt::format("model.layers.{}.", layer);
  if (shape.part >= kFirstExpertPart && (model.architecture == "gpt_oss" || model.architecture == "llama4"))
    return fused_expert(model, shape, prefix, expert);
  StoredPlace place;
  if (shape.part == Part::head)
    place.name = "lm_head.weight";
  else if (shape.part >= kFirstExpertPart)
    place.name = prefix + expert_name(model, shape.part, expert);
  else
    place.name = prefix + layer_name(model, shape.part);
  place.row_stride = shape.columns;
  if (shape.rows == 1)
    place.shape = {shape.columns};
  else
    place.shape = {shape.rows, shape.columns};
  return place;
}

bool is_ignored_tensor(const std::string& name) {
  for (const std::string_view part :
       {"rotary_emb.inv_freq", "vision_tower.", "vision_model.", "multi_modal_projector."})
    if (name.find(part) != std::string::npos) return true;
  return false;
}
}  // namespace moesim
