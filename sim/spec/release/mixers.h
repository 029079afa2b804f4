// The tensors, cache and state of each kind of mixer.
#pragma once
#include "spec/release/emit.h"
#include "spec/release/plan.h"

namespace moesim::spec {

/// Adds a layer's mixer to its tensors and to what the layer keeps.
void emit_mixer(Emitter& e, const MixerPlan& mixer, int hidden, const ModuleNames& names, const std::string& suffix,
                ReleaseLayer& layer);
}  // namespace moesim::spec
