// What a step computes.
#pragma once
#include <string_view>
#include <utility>

#include "core/config.h"

namespace moesim {

/// Prompts, next tokens, or a training micro-batch.  Where a step may hold prompts and next tokens at once, an optional
/// of this is empty.
enum class StepPhase { prefill, decode, training };
template <>
struct EnumNames<StepPhase> {
  static constexpr std::pair<std::string_view, StepPhase> table[] = {
      {"prefill", StepPhase::prefill}, {"decode", StepPhase::decode}, {"training", StepPhase::training}};
};
}  // namespace moesim
