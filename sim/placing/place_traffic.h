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
}  // namespace moesim::placing
