// Builds one pool of a deployment: precision, routing, experts and their places, memory, the cost of a step.
#pragma once
#include "serving/deployment/deployment.h"

namespace moesim::serving {

/// Everything but where the pool's GPUs lie.
void build_pool(results::StudyRun& run, const Config& config, Deployment& d, BuiltPool& pool, PoolShape& shape);
}  // namespace moesim::serving
