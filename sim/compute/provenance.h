// Writes where a run's kernel times came from into its results.
#pragma once
#include <string>

#include "compute/kernel_model.h"
#include "record/results.h"

namespace moesim {

/// Metrics kernel_time_ORIGIN_share, kernel_time_borrowed_share and largest_extrapolation; the last once more under
/// "kernel:SHAPE" of the kernel it belongs to, if any lay outside the fitted range.
void write_provenance(Results& results, const KernelCosts::Summary& summary, const std::string& scope = "run");
}  // namespace moesim
