// The kinds of attention a layer can have.  Where they differ stands a switch over them, without a default, and a file
// for each: spec/attention_rules.h, numerics/weights/attention_parts.h, numerics/pass/attention_math.h,
// compute/layers/attention_inventory.h.
#pragma once
#include <string_view>
#include <utility>

#include "core/config.h"

namespace moesim::spec {

enum class AttentionKind { mha, gqa, mla, dsa };
constexpr auto enum_names(AttentionKind) {
  return std::to_array<std::pair<std::string_view, AttentionKind>>({{"MHA", AttentionKind::mha},
                                                                    {"GQA", AttentionKind::gqa},
                                                                    {"MLA", AttentionKind::mla},
                                                                    {"DSA", AttentionKind::dsa}});
}
}  // namespace moesim::spec
