// What a serving study takes, from its section.
#pragma once
#include <vector>

#include "core/estimate.h"
#include "serving/deployment/section.h"

namespace moesim::serving {

/// A pool, as an estimate counts it.
struct PoolCounts {
  double instances = 1, ranks = 1, requests = 256;  // simulated instances; of each, ranks; most requests of a rank
  double gpus = 1;                                  // of a stage: those that exchange rows
  double moe_layers = 0, experts = 0;
  double samples = 16, ratio = 1.25;  // draws kept
  double mixes = 1;                   // of prompts and decoding, each with draws of its own
  double step_seconds = 0.02;
  double hash_block = 0, prefix_tokens = 0;  // 0: no prefix cache; else tokens that it may hold on a rank
  bool decodes = true;
};
/// The whole deployment.
struct ServingCounts {
  double arrivals = 0, share = 1;       // described requests; part of them that the simulated instances get
  double input = 1000, output = 200;    // tokens, mean
  double duration = 0;                  // s
  double readings = 100, switches = 0;  // of the time series; of everything else that happens at intervals
  double recorded = 0;                  // bytes of the routing that requests bring
  double kept_requests = 20000, kept_steps = 5000, turns = 1;
  double all_gpus = 0;  // of the simulated instances
  std::vector<PoolCounts> pools;
};
Estimate estimate(const ServingCounts& counts);
/// What run_serving would take.
Estimate estimate_serving(const Config& scenario, bool spans);
}  // namespace moesim::serving
