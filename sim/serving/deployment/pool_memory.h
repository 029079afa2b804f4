// What the GPUs of an instance hold: weights, and the KV cache in what they leave.
#pragma once
#include <string>

#include "compute/layers/memory.h"
#include "serving/deployment/deployment.h"

namespace moesim::serving {

/// What one GPU of a stage holds.
compute::HeldLayers held(const spec::Model& model, const Parallel& p, int stage, int slots, bool drafts);

/// Bytes that weights of so many leave for the KV cache on one GPU; 0 or less where they do not fit.
double cache_room(const KvSection& kv, const spec::Gpu& gpu, Bytes weights);
/// How the section's share of the memory is counted, in words.
std::string share_meaning(const KvSection& kv, const spec::Gpu& gpu);

/// Weights and KV cache on the fullest GPU of an instance, into `pool`.  Throws ConfigError if the weights do not fit.
void fit_memory(const Config& config, const Deployment& d, BuiltPool& pool, const compute::LayerOptions& options);
}  // namespace moesim::serving
