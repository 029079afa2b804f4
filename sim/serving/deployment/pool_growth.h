// Pools whose group of ranks grows: the sizes before the largest.
#pragma once
#include <functional>

#include "serving/deployment/deployment.h"

namespace moesim::serving {

/// The section with `parallel.data` the most ranks that it comes to have, and the first ones in `first_ranks`.
PoolSection at_its_largest(PoolSection section);

/// Throws ConfigError for sizes out of order, and for what they have no costs beside.
void check_growth(const Config& config, const PoolSection& section);

/// Fills all but the places of a pool, and what its steps cost.  run: takes what is assumed.
using SetUpPool = std::function<LayeredCost::Setup(results::StudyRun& run, BuiltPool& pool)>;
/// Builds the sizes before the largest into pool.smaller, and what an instance of all of them costs into shape.  The
/// cache is the least that any size leaves: what the first ranks have is what new ones get (vLLM pull request 47288,
/// 2026: "synchronizing KV-cache memory").
void build_growth(results::StudyRun& run, const Config& config, const Deployment& d, BuiltPool& pool,
                  const LayeredCost::Setup& largest, const SetUpPool& set_up, PoolShape& shape);
}  // namespace moesim::serving
