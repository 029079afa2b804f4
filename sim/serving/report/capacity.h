// What a pool could serve at most of the requests that come: the load is what comes over that.
#pragma once
#include "serving/deployment/deployment.h"

namespace moesim::serving {

/// Lengths of the requests of a workload, as means.
struct MeanRequest {
  double input = 0;    ///< tokens of the prompt that are computed
  double cached = 0;   ///< tokens before them that are found in the cache
  double output = 1;   ///< tokens, the first included
  double context = 0;  ///< tokens in the cache of a request that decodes, mean over its time
};
/// Requests a second of one instance, with every place of every rank filled alike: the step that then comes again and
/// again is priced once.  Per rank, with b requests that decode and q tokens of each a step,
///
///   requests that end in a step   r = b q / (output - 1)
///   prompt tokens that come with them   r input, within what the batcher takes beside b
///   requests a second   ranks r / time of the step (and of the prompts' own steps, where the batcher keeps them apart)
///
/// Prefill instances: the prompts that fill a step.  step: its number, since routing may change with it.  Not to be
/// called while the instance's steps are still counted.
double most_requests(const PoolShape& shape, StepModel& model, const MeanRequest& mean, std::int64_t step);

/// How many times longer the pool's steps took than the same work dealt out evenly to all ranks and steps, at least 1.
/// 1 where the batcher keeps prompts and decoding apart: of its steps, only the sum is known.
double unevenness(const PoolShape& shape, StepModel& model, const MeanRequest& mean, std::int64_t step,
                  const PoolSums& sums);

/// Metric `load` of the run and of each pool: arrivals over what all instances of its role that were on could serve, as
/// unevenly as they did.  Metric `bottleneck` of the pool with the highest.
void report_load(results::Results& results, Service& service);
}  // namespace moesim::serving
