// The kinds of attention a layer can have.  Where they differ stands a switch over them, without a default, and a file
// for each: spec/attention_rules.h, numerics/weights/attention_parts.h, numerics/pass/attention_math.h,
// compute/layers/attention_inventory.h.
#pragma once
#include <string_view>
#include <utility>

#include "core/config.h"

namespace moesim::spec {

enum class AttentionKind {
  mha,
  gqa,
  mla,
  dsa,           ///< MLA over keys that an indexer picks (spec/indexer_shape.h)
  gated_delta,   ///< a state in place of keys and values (spec/delta_shape.h)
  mamba2,        ///< likewise (spec/mamba_shape.h)
  compressed,    ///< a window and entries of several tokens, keys and values in one (spec/compressed_shape.h)
  kimi_delta,    ///< a state likewise (spec/kimi_shape.h)
  block_sparse,  ///< GQA over blocks of keys that an indexer picks (spec/block_shape.h)
  windowed,      ///< GQA of windowed layers whose heads are others than the rest's (spec/window_shape.h)
  factored,      ///< MFA: one KV head for many query heads, whose queries come through a latent (Step-3)
  none           ///< a layer that is a network alone
};
constexpr auto enum_names(AttentionKind) {
  return std::to_array<std::pair<std::string_view, AttentionKind>>({{"MHA", AttentionKind::mha},
                                                                    {"GQA", AttentionKind::gqa},
                                                                    {"MLA", AttentionKind::mla},
                                                                    {"DSA", AttentionKind::dsa},
                                                                    {"gated DeltaNet", AttentionKind::gated_delta},
                                                                    {"Mamba-2", AttentionKind::mamba2},
                                                                    {"compressed", AttentionKind::compressed},
                                                                    {"KDA", AttentionKind::kimi_delta},
                                                                    {"block-sparse GQA", AttentionKind::block_sparse},
                                                                    {"windowed GQA", AttentionKind::windowed},
                                                                    {"MFA", AttentionKind::factored},
                                                                    {"none", AttentionKind::none}});
}
/// Whether a request's past is a state of fixed size instead of something for each token.
constexpr bool keeps_state(AttentionKind kind) {
  return kind == AttentionKind::gated_delta || kind == AttentionKind::mamba2 || kind == AttentionKind::kimi_delta;
}
/// Whether it keeps something for each token.
constexpr bool caches_tokens(AttentionKind kind) { return !keeps_state(kind) && kind != AttentionKind::none; }
/// Whether what a token leaves passes through the tokens after it, so that GPUs that share a sequence hand it on.
constexpr bool passes_on(AttentionKind kind) { return keeps_state(kind) || kind == AttentionKind::compressed; }
}  // namespace moesim::spec
