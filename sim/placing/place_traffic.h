// What placements make of a workload's traffic: distinct nodes and GPUs a token visits, and the busiest ports.
#pragma once
#include <span>
#include <vector>

#include "placing/place.h"

namespace moesim::placing {

/// One result a placement, averaged over the layers.  With a trace: exact, every token of the range, read in blocks, so
/// memory does not grow with the trace; tokens are spread over the GPUs evenly.  With counts: expectations, choices
/// independent (exchange/fan_out.h).  gate.top_k 0: none.
std::vector<TrafficShape> traffic_shapes(const Workload& workload, const routing::GateShape& gate,
                                         std::span<const std::vector<exchange::ExpertMap>* const> placements,
                                         const spec::GroupShape& group,
                                         const exchange::ReplicaSpec& replica_choice = {});

/// Who sends to whom: copies of tokens from each GPU to each, for each token of the group, mean over layers; own GPU
/// included.  (gpus, gpus) [source][destination].  With a trace: of its first kPairTokens.  gate.top_k 0: none.
std::vector<double> pair_copies(const Workload& workload, const routing::GateShape& gate,
                                const std::vector<exchange::ExpertMap>& maps, const spec::GroupShape& group,
                                const exchange::ReplicaSpec& replica_choice = {});
constexpr std::int64_t kPairTokens = 65'536;
}  // namespace moesim::placing
