#include "numerics/weights/attention_parts.h"

namespace moesim::numerics {
void add_grouped_parts(const spec::Model& model, std::vector<PartShape>& out) {
  const spec::AttentionShape& a = model.attention;
  const int hidden = model.hidden, gates = a.output_gate ? 2 : 1;
  out.push_back({Part::query, a.heads * a.head_dim * gates, hidden});
  out.push_back({Part::key, a.kv_heads * a.head_dim, hidden});
  out.push_back({Part::value, a.kv_heads * a.v_head_dim, hidden});
  if (a.qkv_bias) {
    out.push_back({Part::query_bias, 1, a.heads * a.head_dim * gates});
    out.push_back({Part::key_bias, 1, a.kv_heads * a.head_dim});
    out.push_back({Part::value_bias, 1, a.kv_heads * a.v_head_dim});
  }
  if (model.has_qk_norm_weights()) {
    out.push_back({Part::query_norm, 1, a.qk_norm_whole ? a.heads * a.head_dim : a.head_dim});
    out.push_back({Part::key_norm, 1, a.qk_norm_whole ? a.kv_heads * a.head_dim : a.head_dim});
  }
  if (a.sinks) out.push_back({Part::sinks, 1, a.heads});
}
}  // namespace moesim::numerics
