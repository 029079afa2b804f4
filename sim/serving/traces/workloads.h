// The table of workloads: generators and recorded traces.
#pragma once
#include <string>

#include "serving/requests/workload.h"

namespace moesim::serving {

/// The family `workload`.
const Family<Workload, const WorkloadContext&>& workloads();

/// Requests that ServeGen's profiles in `folder` have between two times, in seconds: for an estimate of the run.
double profiled_arrivals(const std::string& folder, double from, double until);
}  // namespace moesim::serving
