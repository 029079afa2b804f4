// The kinds of attention a layer can have.  Each room of the simulator has one switch over them, without a default, and
// a file for each: spec/attention_rules.h, numerics/attention_math.h, compute/attention_inventory.h.
#pragma once
#include <string_view>
#include <utility>

#include "core/config.h"

namespace moesim {

enum class AttentionKind { mha, gqa, mla };
template <>
struct EnumNames<AttentionKind> {
  static constexpr std::pair<std::string_view, AttentionKind> table[] = {
      {"MHA", AttentionKind::mha}, {"GQA", AttentionKind::gqa}, {"MLA", AttentionKind::mla}};
};
}  // namespace moesim
