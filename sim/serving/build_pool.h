// Builds one pool of a deployment: precision, routing, experts and their places, memory, the cost of a step.
#pragma once
#include "forward/setup.h"
#include "serving/deployment.h"

namespace moesim {

/// Everything but where the pool's GPUs lie.
void build_pool(StudyRun& run, const Config& config, Deployment& d, BuiltPool& pool, PoolShape& shape);
/// How a pool computes a step and exchanges rows.  Throws ConfigError for formats that the GPU lacks.
StepSetup setup_of(const Config& config, const PoolSection& section, const Model& model, const Gpu& gpu);
}  // namespace moesim
