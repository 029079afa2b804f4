// What a pool's steps take of each GPU beside weights and KV cache.
#pragma once
#include <string>
#include <vector>

#include "serving/deployment/deployment.h"

namespace moesim::serving {

/// Rows of the fullest GPU over those of the mean one, in the worst layer as placed: BuiltPool::fullest.
double fullest_gpu(const Deployment& d, const BuiltPool& pool, const LayeredCost::Setup& cost);
/// Of the largest step that the batcher may form, on the GPUs of one pipeline stage: activations, logits, rows on their
/// way to experts, buffers of collectives, CUDA graphs.
std::vector<compute::MemoryItem> step_buffers(const Deployment& d, const BuiltPool& pool,
                                              const LayeredCost::Setup& cost, const compute::HeldLayers& held);
/// The three largest, in words.
std::string largest_buffers(const BuiltPool& pool);
double gigabytes(Bytes bytes);
}  // namespace moesim::serving
