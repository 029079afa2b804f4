#include "spec/hugging_face_released.h"

#include <algorithm>
#include <string>

#include "spec/layer_shape.h"

namespace moesim::spec {
namespace {
void add_minimax(const Model& m, formats::Json& out) {
  const AttentionShape& a = m.attention;
  const MoeShape& s = *m.moe;
  out["qk_norm_type"] = a.qk_norm_whole ? "per_layer" : "per_head";
  out["rotary_dim"] = int(a.head_dim * m.rope.partial) / 2 * 2;
  out["scoring_func"] = name_of(s.score);
  out["use_routing_bias"] = s.selection_bias;
  out["norm_topk_prob"] = s.normalise;
  out["routed_scaling_factor"] = s.scale;
  out["shared_intermediate_size"] = s.shared_total();
  out["use_mtp"] = m.mtp_layers > 0;
  if (m.mtp_layers > 0) out["num_mtp_modules"] = m.mtp_layers;
}

void add_delta(const Model& m, formats::Json& out) {
  const DeltaShape& d = *m.delta;
  out["attn_output_gate"] = m.attention.output_gate;
  out["linear_num_key_heads"] = d.key_heads;
  out["linear_num_value_heads"] = d.value_heads;
  out["linear_key_head_dim"] = d.key_dim;
  out["linear_value_head_dim"] = d.value_dim;
  out["linear_conv_kernel_dim"] = d.convolution;
  for (int layer = 0; layer < m.layers; ++layer)
    out["layer_types"].push_back(std::ranges::binary_search(d.layers, layer) ? "linear_attention" : "full_attention");
}

void add_halves(const Model& m, formats::Json& out) {
  std::string pattern;
  for (int layer = 0; layer < m.layers; ++layer) {
    const AttentionKind kind = layer_shape(m, layer).attention.kind;
    pattern += kind == AttentionKind::mamba2 ? 'M' : kind == AttentionKind::none ? 'E' : '*';
  }
  out["hybrid_override_pattern"] = pattern;
  if (m.mtp_layers > 0) out["mtp_hybrid_override_pattern"] = "*E";
  out["moe_shared_expert_intermediate_size"] = m.moe->shared_total() / std::max(1, m.moe->shared_experts);
  out["layer_norm_epsilon"] = m.norm_epsilon;
  if (m.moe->latent_width > 0) out["moe_latent_size"] = m.moe->latent_width;
  out.erase("first_k_dense_replace");
  out.erase("moe_layer_freq");
  if (!m.mamba) return;
  const MambaShape& s = *m.mamba;
  out["mamba_num_heads"] = s.heads;
  out["mamba_head_dim"] = s.head_dim;
  out["n_groups"] = s.groups;
  out["ssm_state_size"] = s.state;
  out["conv_kernel"] = s.convolution;
  out["use_conv_bias"] = s.convolution_bias;
}
void add_compressed(const Model& m, formats::Json& out) {
  const AttentionShape& a = m.attention;
  const CompressedShape& s = *a.compressed;
  out["head_dim"] = a.head_dim;
  out["qk_rope_head_dim"] = a.qk_rope_head_dim;
  out["q_lora_rank"] = a.q_lora_rank;
  out["o_groups"] = s.output_groups;
  out["o_lora_rank"] = s.output_rank;
  out["sliding_window"] = s.window;
  out["compress_ratios"] = s.entries;
  out["index_n_heads"] = a.indexer->heads;
  out["index_head_dim"] = a.indexer->head_dim;
  out["index_topk"] = a.indexer->top_k;
  out["num_hash_layers"] = m.moe->hash_layers;
  out["hc_mult"] = m.residual_streams;
  out.erase("first_k_dense_replace");
  out.erase("moe_layer_freq");
}
void add_kimi(const Model& m, formats::Json& out) {
  const KimiShape& k = *m.kimi;
  formats::Json& linear = out["linear_attn_config"];
  linear["num_heads"] = k.heads;
  linear["head_dim"] = k.dim;
  linear["short_conv_kernel_size"] = k.convolution;
  linear["use_full_rank_gate"] = k.full_gate;
  for (int layer = 0; layer < m.layers; ++layer)  // counted from 1
    linear[std::ranges::binary_search(k.layers, layer) ? "kda_layers" : "full_attn_layers"].push_back(layer + 1);
  out["mla_use_nope"] = m.rope.no_rope_every == 1;
  out["mla_use_output_gate"] = m.attention.output_gate;
  if (m.residual_blocks > 0) out["attn_res_block_size"] = m.residual_blocks;
  if (!m.moe || m.moe->latent_width == 0) return;
  out["routed_expert_hidden_size"] = m.moe->latent_width;
  out["latent_moe_use_norm"] = m.moe->latent_norm;
}

void add_blocks(const Model& m, formats::Json& out) {
  const BlockShape& b = *m.attention.blocks;
  const MoeShape& s = *m.moe;
  out["num_local_experts"] = s.experts;
  out["intermediate_size"] = s.expert_width;
  out["dense_intermediate_size"] = m.dense_width;
  out["shared_intermediate_size"] = s.shared_total();
  out["use_routing_bias"] = s.selection_bias;
  out["attention_output_gate"] = m.attention.output_gate;
  out["qk_norm_type"] = m.attention.qk_norm_whole ? "per_layer" : "per_head";
  if (m.mtp_layers > 0) out["num_mtp_modules"] = m.mtp_layers;
  formats::Json& sparse = out["sparse_attention_config"];
  sparse["sparse_num_index_heads"] = b.heads;
  sparse["sparse_index_dim"] = b.head_dim;
  sparse["sparse_block_size"] = b.block;
  sparse["sparse_topk_blocks"] = b.blocks;
  for (int layer = 0; layer < m.layers; ++layer)
    sparse["sparse_attention_freq"].push_back(std::ranges::binary_search(b.layers, layer) ? 1 : 0);
}
}  // namespace

void add_released(const Model& m, formats::Json& out) {
  if (m.kimi) return add_kimi(m, out);
  if (m.attention.blocks) return add_blocks(m, out);
  if (traits_of(m.architecture).halved_layers) return add_halves(m, out);
  if (m.attention.compressed) return add_compressed(m, out);
  const MoeKeys keys = traits_of(m.architecture).moe;
  if (keys == MoeKeys::minimax) return add_minimax(m, out);
  if (keys == MoeKeys::qwen) out["shared_expert_intermediate_size"] = m.moe->shared_total();
  if (m.delta) add_delta(m, out);
}
}  // namespace moesim::spec
