#include "spec/attention_rules.h"

namespace moesim::spec {
const AttentionRules& rules_of(AttentionKind kind) {
  switch (kind) {
    case AttentionKind::mha:
      return multi_head_rules();
    case AttentionKind::gqa:
      return grouped_rules();
    case AttentionKind::mla:
      return latent_rules();
    case AttentionKind::dsa:
      return sparse_rules();
    case AttentionKind::gated_delta:
      return delta_rules();
    case AttentionKind::mamba2:
      return mamba_rules();
    case AttentionKind::compressed:
      return compressed_rules();
    case AttentionKind::kimi_delta:
      return kimi_rules();
    case AttentionKind::block_sparse:
      return block_rules();
    case AttentionKind::windowed:
      return window_rules();
    case AttentionKind::factored:
      return factored_rules();
    case AttentionKind::none:
      return no_rules();
  }
  throw std::logic_error("a kind of attention without rules");
}
}  // namespace moesim::spec
