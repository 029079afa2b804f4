#include "numerics/weights/attention_parts.h"

namespace moesim::numerics {
void add_sparse_parts(const spec::Model& model, spec::IndexUse index, std::vector<PartShape>& out) {
  add_latent_parts(model, out);
  if (index != spec::IndexUse::own) return;
  const spec::IndexerShape& x = *model.attention.indexer;
  out.push_back({Part::index_query, x.heads * x.head_dim, model.attention.q_lora_rank});
  out.push_back({Part::index_key, x.head_dim, model.hidden});
  out.push_back({Part::index_key_norm, 1, x.head_dim});
  out.push_back({Part::index_key_norm_bias, 1, x.head_dim});
  out.push_back({Part::index_weights, x.heads, model.hidden});
}
}  // namespace moesim::numerics
