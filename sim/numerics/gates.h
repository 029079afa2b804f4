// The family of gates: a model's own, and variations of it to compare with.
#pragma once
#include "core/family.h"
#include "numerics/gate_policy.h"

namespace moesim {

/// Kinds: published, softmax, balanced, noisy, capacity.  A gate may keep state from pass to pass, so each recording
/// makes its own.
const Family<Gate>& gates();
}  // namespace moesim
