// What the GPUs of an instance hold: weights, and the KV cache in what they leave.
#pragma once
#include <string>

#include "compute/layers/memory.h"
#include "serving/deployment/deployment.h"

namespace moesim::serving {

/// Thrown where what must be in a GPU's memory does not fit in.
struct TooLittleMemory : ConfigError {
  explicit TooLittleMemory(const ConfigError& error) : ConfigError(error) {}
};

/// What one GPU of a stage holds.
compute::HeldLayers held(const spec::Model& model, const Parallel& p, int stage, int slots, bool drafts);

/// What the scenario says of the memory, or the engine asked for, or 0.92 of all; its buffers only where it says so.
CacheShare cache_share(const KvSection& kv, const BuiltPool& pool);
/// What a step's buffers take in all: as the scenario says, or as counted, and never less than allocators keep.
Bytes buffers_of(const KvSection& kv, const std::vector<compute::MemoryItem>& counted);
/// Bytes that weights of so many leave for the KV cache on one GPU; 0 or less where they do not fit.
double cache_room(const CacheShare& cache, const spec::Gpu& gpu, Bytes weights);
/// How the share of the memory is counted, in words.
std::string share_meaning(const CacheShare& cache, const spec::Gpu& gpu);

/// Weights, buffers and KV cache on the fullest GPU of an instance, into `pool`.  Throws TooLittleMemory if they
/// do not fit.
void fit_memory(const Config& config, const Deployment& d, BuiltPool& pool, const LayeredCost::Setup& cost);
}  // namespace moesim::serving
