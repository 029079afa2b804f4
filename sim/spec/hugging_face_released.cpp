#include "spec/hugging_face_released.h"

#include <algorithm>

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
}  // namespace

void add_released(const Model& m, formats::Json& out) {
  const MoeKeys keys = traits_of(m.architecture).moe;
  if (keys == MoeKeys::minimax) return add_minimax(m, out);
  if (keys == MoeKeys::qwen) out["shared_expert_intermediate_size"] = m.moe->shared_total();
  if (m.delta) add_delta(m, out);
}
}  // namespace moesim::spec
