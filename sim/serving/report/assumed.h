// What a service's figures rest on, as rows of table `assumption`: those that no other room writes.
#pragma once
#include "results/study.h"
#include "serving/deployment/deployment.h"

namespace moesim::serving {

/// Routing and placement of every pool with experts, and who does what no pool does.
void write_assumed(results::StudyRun& run, const Deployment& deployment);
/// Kernels that take another GPU's efficiencies, with their share of the time; known when the run has ended.
void write_borrowed(results::Results& results, const Deployment& deployment);
}  // namespace moesim::serving
