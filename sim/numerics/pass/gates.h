// The family of gates: a model's own, and variations of it to compare with.
#pragma once
#include <memory>
#include <string>

#include "core/family.h"
#include "numerics/pass/gate_policy.h"

namespace moesim::numerics {

/// Kinds: published, softmax, balanced, noisy, capacity.  A gate may keep state from pass to pass, so each recording
/// makes its own.
const Family<Gate>& gates();
/// A gate from a command's option: a kind, or "{kind: ..., parameter: ...}".  Throws ConfigError "OPTION: ...".
std::unique_ptr<Gate> gate_from(const std::string& text, const std::string& option);
}  // namespace moesim::numerics
