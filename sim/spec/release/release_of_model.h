// A model of the catalogue as the release it would be: the same counts, beside releases of any kind.
#pragma once
#include "spec/model.h"
#include "spec/release/release.h"

namespace moesim::spec {

/// Layers, tensors and caches of a model that is known by its shape, in the formats it was released in.
/// Throws ConfigError if nothing is published of it.
Release release_of_model(const Model& model);
}  // namespace moesim::spec
