#include "numerics/weights/attention_parts.h"

namespace moesim::numerics {
void add_latent_parts(const spec::Model& model, std::vector<PartShape>& out) {
  const spec::AttentionShape& a = model.attention;
  const int hidden = model.hidden;
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
}
}  // namespace moesim::numerics
