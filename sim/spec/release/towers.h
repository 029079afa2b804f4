// Vision and audio towers of a release: counted apart, where their kind is known.
#pragma once
#include <string_view>
#include <vector>

#include "spec/release/keys.h"
#include "spec/release/plan.h"

namespace moesim::spec {

/// The tensors of root's vision_config; a tower of a kind that is not read is said in plan.notes.
/// type: the wrapper's model_type.
void read_towers(const Keys& root, std::string_view type, Plan& plan);
}  // namespace moesim::spec
