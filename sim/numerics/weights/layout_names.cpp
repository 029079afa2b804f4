// Hugging Face's tensor names: what all families share, and a row of exceptions for each family that has any.
// Source: the modeling files of transformers for each model_type, and the released checkpoints' indices.
#include <fmt/format.h>

#include <iterator>
#include <span>

#include "numerics/weights/layout.h"

namespace moesim::numerics {
namespace {
struct PartName {
  Part part;
  std::string_view name;
};
/// The common names, in the order of the parts, below "model.layers.N.".
constexpr PartName kCommonNames[] = {{Part::embedding, "embed_tokens.weight"},
                                     {Part::final_norm, "norm.weight"},
                                     {Part::head, "lm_head.weight"},
                                     {Part::attention_norm, "input_layernorm.weight"},
                                     {Part::attention_out_norm, "post_attention_layernorm.weight"},
                                     {Part::ffn_norm, "post_attention_layernorm.weight"},
                                     {Part::ffn_out_norm, "post_feedforward_layernorm.weight"},
                                     {Part::query, "self_attn.q_proj.weight"},
                                     {Part::query_bias, "self_attn.q_proj.bias"},
                                     {Part::query_norm, "self_attn.q_norm.weight"},
                                     {Part::key, "self_attn.k_proj.weight"},
                                     {Part::key_bias, "self_attn.k_proj.bias"},
                                     {Part::key_norm, "self_attn.k_norm.weight"},
                                     {Part::value, "self_attn.v_proj.weight"},
                                     {Part::value_bias, "self_attn.v_proj.bias"},
                                     {Part::query_down, "self_attn.q_a_proj.weight"},
                                     {Part::query_down_norm, "self_attn.q_a_layernorm.weight"},
                                     {Part::query_up, "self_attn.q_b_proj.weight"},
                                     {Part::kv_down, "self_attn.kv_a_proj_with_mqa.weight"},
                                     {Part::kv_down_norm, "self_attn.kv_a_layernorm.weight"},
                                     {Part::kv_up, "self_attn.kv_b_proj.weight"},
                                     {Part::output, "self_attn.o_proj.weight"},
                                     {Part::output_bias, "self_attn.o_proj.bias"},
                                     {Part::sinks, "self_attn.sinks"},
                                     {Part::dense_gate, "mlp.gate_proj.weight"},
                                     {Part::dense_up, "mlp.up_proj.weight"},
                                     {Part::dense_down, "mlp.down_proj.weight"},
                                     {Part::router, "mlp.gate.weight"},
                                     {Part::router_bias, "mlp.gate.bias"},
                                     {Part::selection_bias, "mlp.gate.e_score_correction_bias"},
                                     {Part::shared_gate, "mlp.shared_experts.gate_proj.weight"},
                                     {Part::shared_up, "mlp.shared_experts.up_proj.weight"},
                                     {Part::shared_down, "mlp.shared_experts.down_proj.weight"},
                                     {Part::mtp_embedding_norm, "enorm.weight"},
                                     {Part::mtp_hidden_norm, "hnorm.weight"},
                                     {Part::mtp_projection, "eh_proj.weight"},
                                     {Part::mtp_embedding, "embed_tokens.weight"},
                                     {Part::mtp_head_norm, "shared_head.norm.weight"},
                                     {Part::mtp_head, "shared_head.head.weight"},
                                     {Part::shared_output_gate, "mlp.shared_expert_gate.weight"},
                                     {Part::delta_qkvz, "linear_attn.in_proj_qkvz.weight"},
                                     {Part::delta_ba, "linear_attn.in_proj_ba.weight"},
                                     {Part::delta_qkv, "linear_attn.in_proj_qkv.weight"},
                                     {Part::delta_z, "linear_attn.in_proj_z.weight"},
                                     {Part::delta_b, "linear_attn.in_proj_b.weight"},
                                     {Part::delta_a, "linear_attn.in_proj_a.weight"},
                                     {Part::delta_convolution, "linear_attn.conv1d.weight"},
                                     {Part::delta_decay, "linear_attn.A_log"},
                                     {Part::delta_step_bias, "linear_attn.dt_bias"},
                                     {Part::delta_norm, "linear_attn.norm.weight"},
                                     {Part::delta_output, "linear_attn.out_proj.weight"},
                                     {Part::mamba_input, "mixer.in_proj.weight"},
                                     {Part::mamba_convolution, "mixer.conv1d.weight"},
                                     {Part::mamba_convolution_bias, "mixer.conv1d.bias"},
                                     {Part::mamba_decay, "mixer.A_log"},
                                     {Part::mamba_skip, "mixer.D"},
                                     {Part::mamba_step_bias, "mixer.dt_bias"},
                                     {Part::mamba_norm, "mixer.norm.weight"},
                                     {Part::mamba_output, "mixer.out_proj.weight"},
                                     {Part::expert_gate, "gate_proj.weight"},
                                     {Part::expert_up, "up_proj.weight"},
                                     {Part::expert_down, "down_proj.weight"},
                                     {Part::expert_gate_bias, "gate_proj.bias"},
                                     {Part::expert_up_bias, "up_proj.bias"},
                                     {Part::expert_down_bias, "down_proj.bias"},
                                     {Part::index_query, "self_attn.indexer.wq_b.weight"},
                                     {Part::index_key, "self_attn.indexer.wk.weight"},
                                     {Part::index_key_norm, "self_attn.indexer.k_norm.weight"},
                                     {Part::index_key_norm_bias, "self_attn.indexer.k_norm.bias"},
                                     {Part::index_weights, "self_attn.indexer.weights_proj.weight"}};
static_assert(
    [] {
      for (int i = 0; i < kParts; ++i)
        if (kCommonNames[i].part != Part(i)) return false;
      return std::size(kCommonNames) == std::size_t(kParts);
    }(),
    "a name for each part, in their order");

/// How a family stores its routed experts.
enum class ExpertStorage {
  apart,         ///< a tensor an expert and matrix
  in_turn,       ///< one tensor for all of a layer, inputs before outputs, columns of gate and up in turn
  side_by_side,  ///< the same, all of gate before all of up
  stacked        ///< one tensor for all of a layer, outputs before inputs, all rows of gate before all of up
};
/// A family whose names are not all the common ones.
struct FamilyNames {
  spec::Architecture of;
  std::span<const PartName> names;
  std::string_view experts = "mlp.experts.";
  ExpertStorage storage = ExpertStorage::apart;
  std::string_view root = "model.";  // before the names of all but the head
  bool mtp_apart = false;            // MTP modules have names of their own, below "mtp."
};

constexpr PartName kMixtral[] = {{Part::router, "block_sparse_moe.gate.weight"},
                                 {Part::expert_gate, "w1.weight"},
                                 {Part::expert_up, "w3.weight"},
                                 {Part::expert_down, "w2.weight"}};
constexpr PartName kGemma3[] = {{Part::ffn_norm, "pre_feedforward_layernorm.weight"}};
constexpr PartName kGptOss[] = {{Part::router, "mlp.router.weight"}, {Part::router_bias, "mlp.router.bias"}};
constexpr PartName kLlama4[] = {{Part::router, "feed_forward.router.weight"},
                                {Part::dense_gate, "feed_forward.gate_proj.weight"},
                                {Part::dense_up, "feed_forward.up_proj.weight"},
                                {Part::dense_down, "feed_forward.down_proj.weight"},
                                {Part::shared_gate, "feed_forward.shared_expert.gate_proj.weight"},
                                {Part::shared_up, "feed_forward.shared_expert.up_proj.weight"},
                                {Part::shared_down, "feed_forward.shared_expert.down_proj.weight"}};
constexpr PartName kMinimaxM2[] = {{Part::router, "block_sparse_moe.gate.weight"},
                                   {Part::selection_bias, "block_sparse_moe.e_score_correction_bias"},
                                   {Part::expert_gate, "w1.weight"},
                                   {Part::expert_up, "w3.weight"},
                                   {Part::expert_down, "w2.weight"}};
constexpr PartName kQwen[] = {{Part::shared_gate, "mlp.shared_expert.gate_proj.weight"},
                              {Part::shared_up, "mlp.shared_expert.up_proj.weight"},
                              {Part::shared_down, "mlp.shared_expert.down_proj.weight"}};
constexpr PartName kNemotronH[] = {{Part::embedding, "embeddings.weight"},
                                   {Part::final_norm, "norm_f.weight"},
                                   {Part::attention_norm, "norm.weight"},
                                   {Part::ffn_norm, "norm.weight"},
                                   {Part::query, "mixer.q_proj.weight"},
                                   {Part::key, "mixer.k_proj.weight"},
                                   {Part::value, "mixer.v_proj.weight"},
                                   {Part::output, "mixer.o_proj.weight"},
                                   {Part::router, "mixer.gate.weight"},
                                   {Part::selection_bias, "mixer.gate.e_score_correction_bias"},
                                   {Part::shared_up, "mixer.shared_experts.up_proj.weight"},
                                   {Part::shared_down, "mixer.shared_experts.down_proj.weight"}};
/// Whole names.  Source: vLLM's qwen3_next_mtp.py.
constexpr PartName kQwenMtp[] = {{Part::mtp_embedding_norm, "mtp.pre_fc_norm_embedding.weight"},
                                 {Part::mtp_hidden_norm, "mtp.pre_fc_norm_hidden.weight"},
                                 {Part::mtp_projection, "mtp.fc.weight"},
                                 {Part::mtp_head_norm, "mtp.norm.weight"}};
constexpr FamilyNames kFamilies[] = {
    {spec::Architecture::mixtral, kMixtral, "block_sparse_moe.experts."},
    {spec::Architecture::gemma3, kGemma3},
    {spec::Architecture::gpt_oss, kGptOss, "mlp.experts.", ExpertStorage::in_turn},
    {spec::Architecture::llama4, kLlama4, "feed_forward.experts.", ExpertStorage::side_by_side},
    {spec::Architecture::minimax_m2, kMinimaxM2, "block_sparse_moe.experts."},
    {spec::Architecture::qwen2_moe, kQwen},
    {spec::Architecture::qwen3_next, kQwen, "mlp.experts.", ExpertStorage::apart, "model.", true},
    {spec::Architecture::qwen3_5_moe, kQwen, "mlp.experts.", ExpertStorage::stacked, "model.", true},
    {spec::Architecture::nemotron_h, kNemotronH, "mixer.experts.", ExpertStorage::apart, "backbone."}};
constexpr FamilyNames kCommon{spec::Architecture::llama, {}};

const FamilyNames& names_of(const spec::Model& model) {
  for (const FamilyNames& family : kFamilies)
    if (family.of == model.architecture) return family;
  return kCommon;
}

std::string_view part_name(const FamilyNames& family, Part part) {
  for (const PartName& own : family.names)
    if (own.part == part) return own.name;
  return kCommonNames[std::size_t(part)].name;
}

/// (experts, outputs, inputs), no biases.
StoredPlace stacked_expert(const spec::Model& model, const PartShape& shape, const std::string& folder, int expert) {
  const std::int64_t experts = model.moe->experts, width = model.moe->expert_width, hidden = model.hidden;
  if (shape.part == Part::expert_down)
    return {folder + "down_proj", {experts, hidden, width}, expert * hidden * width, width, 1};
  const std::int64_t first = shape.part == Part::expert_up ? width : 0;
  return {folder + "gate_up_proj", {experts, 2 * width, hidden}, (expert * 2 * width + first) * hidden, hidden, 1};
}

/// Of a family that stores all experts of a layer in one tensor.
StoredPlace fused_expert(const spec::Model& model, const PartShape& shape, const std::string& prefix, int expert) {
  const FamilyNames& family = names_of(model);
  const bool interleaved = family.storage == ExpertStorage::in_turn;
  const std::int64_t experts = model.moe->experts, width = model.moe->expert_width, hidden = model.hidden, e = expert;
  const std::string folder = prefix + std::string(family.experts);
  if (family.storage == ExpertStorage::stacked) return stacked_expert(model, shape, folder, expert);
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

/// What a layer's names begin with.
std::string prefix_of(const spec::Model& model, int layer) {
  if (names_of(model).mtp_apart && layer >= model.layers) return fmt::format("mtp.layers.{}.", layer - model.layers);
  return fmt::format("{}layers.{}.", names_of(model).root, layer);
}

/// The name of a part of an MTP module that is none of its layer's; "" for others.
std::string_view own_mtp_name(const spec::Model& model, Part part, int layer) {
  if (layer < model.layers) return "";
  if (spec::traits_of(model.architecture).mtp_shares_ends) {
    if (part == Part::mtp_embedding || (part == Part::mtp_head && model.tied_embeddings))
      return "model.embed_tokens.weight";
    if (part == Part::mtp_head) return "lm_head.weight";
  }
  if (names_of(model).mtp_apart)
    for (const PartName& own : kQwenMtp)
      if (own.part == part) return own.name;
  return "";
}

std::vector<std::int64_t> stored_shape(const PartShape& shape) {
  if (shape.part == Part::delta_convolution || shape.part == Part::mamba_convolution)
    return {shape.rows, 1, shape.columns};
  if (shape.rows == 1 && shape.part != Part::shared_output_gate) return {shape.columns};
  return {shape.rows, shape.columns};
}
}  // namespace

StoredPlace stored_place(const spec::Model& model, const PartShape& shape, int layer, int expert) {
  const bool outer = shape.part == Part::embedding || shape.part == Part::final_norm || shape.part == Part::head;
  const std::string prefix = outer ? std::string(names_of(model).root) : prefix_of(model, layer);
  const FamilyNames& family = names_of(model);
  if (is_of_expert(shape.part) && family.storage != ExpertStorage::apart)
    return fused_expert(model, shape, prefix, expert);
  StoredPlace place;
  if (shape.part == Part::head)
    place.name = "lm_head.weight";
  else if (const std::string_view own = own_mtp_name(model, shape.part, layer); !own.empty())
    place.name = own;
  else if (is_of_expert(shape.part))
    place.name = fmt::format("{}{}{}.{}", prefix, family.experts, expert, part_name(family, shape.part));
  else
    place.name = prefix + std::string(part_name(family, shape.part));
  place.row_stride = shape.columns;
  place.shape = stored_shape(shape);
  return place;
}

bool is_ignored_tensor(const std::string& name) {
  if (name.starts_with("mtp.")) return true;  // of modules that the configuration leaves out
  for (const std::string_view part :
       {"rotary_emb.inv_freq", "vision_tower.", "vision_model.", "multi_modal_projector."})
    if (name.find(part) != std::string::npos) return true;
  return false;
}
}  // namespace moesim::numerics
