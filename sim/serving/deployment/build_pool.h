// Builds one pool of a deployment: precision, routing, experts and their places, memory, the cost of a step.
#pragma once
#include "serving/deployment/deployment.h"

namespace moesim {

/// Everything but where the pool's GPUs lie.
void build_pool(StudyRun& run, const Config& config, Deployment& d, BuiltPool& pool, PoolShape& shape);
/// How a pool computes a layer.
LayerOptions options_of(const PoolSection& section);
/// What the scenario does not say of the precisions is as in the model's release.
void take_released(const Config& given, const Precisions& released, Precisions& out);
}  // namespace moesim
