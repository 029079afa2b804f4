// A model to run from the config.json of a family that has no row in spec/architecture.cpp.
#pragma once
#include "spec/model.h"
#include "spec/release/described.h"

namespace moesim::spec {

/// The model whose layers take the time and the memory of this release's.  Throws ConfigError that says what is missing
/// where its layers or its number formats cannot be run.
Model model_of_release(const Described& described);
}  // namespace moesim::spec
