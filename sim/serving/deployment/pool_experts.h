// The routed experts of a pool: the routing of its tokens, the experts' places, their exchanges, new places on the way.
#pragma once
#include "forward/setup.h"
#include "serving/deployment/deployment.h"

namespace moesim::serving {

/// Fills pool.sources, pool.maps and pool.group, and returns what refers to them.
ExpertBank::Setup set_up_experts(results::StudyRun& run, const Config& config, const Deployment& d, BuiltPool& pool,
                                 const forward::StepSetup& setup);
/// How the instances plan new places; nothing if the scenario does not ask for it.
void set_up_rebalancing(const results::StudyRun& run, const Deployment& d, const BuiltPool& pool,
                        LayeredCost::Setup& cost);
}  // namespace moesim::serving
