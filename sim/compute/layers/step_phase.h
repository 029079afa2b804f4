// What a step computes.
#pragma once
#include <string_view>
#include <utility>

#include "core/config.h"

namespace moesim::compute {

/// Prompts, next tokens, or a training micro-batch.  Where a step may hold prompts and next tokens at once, an optional
/// of this is empty.
enum class StepPhase { prefill, decode, training };
constexpr auto enum_names(StepPhase) {
  return std::to_array<std::pair<std::string_view, StepPhase>>(
      {{"prefill", StepPhase::prefill}, {"decode", StepPhase::decode}, {"training", StepPhase::training}});
}
}  // namespace moesim::compute
