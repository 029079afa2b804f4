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
  gated_delta  ///< a state in place of keys and values (spec/delta_shape.h)
};
constexpr auto enum_names(AttentionKind) {
  return std::to_array<std::pair<std::string_view, AttentionKind>>({{"MHA", AttentionKind::mha},
                                                                    {"GQA", AttentionKind::gqa},
                                                                    {"MLA", AttentionKind::mla},
                                                                    {"gated DeltaNet", AttentionKind::gated_delta}});
}
/// Whether a request's past is a state of fixed size instead of something for each token.
constexpr bool keeps_state(AttentionKind kind) { return kind == AttentionKind::gated_delta; }
}  // namespace moesim::spec
