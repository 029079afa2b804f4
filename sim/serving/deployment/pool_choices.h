// Whether a pool's numbers can be; what its role and keys make of its steps: precision, graphs, layout of grouped
// products, exchange kernel, bytes of a row.
#pragma once
#include "forward/engine.h"
#include "forward/setup.h"
#include "serving/deployment/section.h"

namespace moesim::serving {

/// Throws ConfigError at the pool's key for an instance that cannot be split so.  model: null where steps have a fixed
/// cost.
void check_pool(const Config& config, const PoolSection& section, const spec::Model* model);
/// What the pool names, else the section, else the usual one; and whether one of them names it.
struct ChosenEngine {
  forward::Engine engine;
  bool named = false;
};
ChosenEngine engine_of(const Config& section, const Config& pool);
/// How a pool computes a step and exchanges rows.  Throws ConfigError for formats that the GPU lacks.
forward::StepSetup setup_of(const Config& config, const PoolSection& section, const spec::Model& model,
                            const spec::Gpu& gpu, const forward::Engine& engine = {});
}  // namespace moesim::serving
