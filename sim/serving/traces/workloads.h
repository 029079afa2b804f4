// The table of workloads: generators and recorded traces.
#pragma once
#include "serving/requests/workload.h"

namespace moesim::serving {

/// The family `workload`.
const Family<Workload, const WorkloadContext&>& workloads();
}  // namespace moesim::serving
