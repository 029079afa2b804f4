// What the GPUs of an instance hold: weights, and the KV cache in what they leave.
#pragma once
#include "compute/layers/memory.h"
#include "serving/deployment/deployment.h"

namespace moesim::serving {

/// What one GPU of a stage holds.
compute::HeldLayers held(const spec::Model& model, const Parallel& p, int stage, int slots, bool drafts);

/// Weights and KV cache on the fullest GPU of an instance, into `pool`.  Throws ConfigError if the weights do not fit.
void fit_memory(const Config& config, const Deployment& d, BuiltPool& pool, const compute::LayerOptions& options);
}  // namespace moesim::serving
