// Writes where a run's kernel times came from into its results.
#pragma once
#include <string>

#include "compute/kernels/kernel_model.h"
#include "results/results.h"

namespace moesim::compute {

/// Metrics kernel_time_ORIGIN_share, kernel_time_borrowed_share, kernel_error_median and _p90 where known, and
/// largest_extrapolation.  The last once more under "kernel:SHAPE" of the kernel it belongs to, if any lay outside the
/// fitted range, beside the share of its kind's kernels outside; and kernel_time_lent_share under "lender:NAME" of each
/// other kind whose efficiencies were taken.
void write_provenance(results::Results& results, const KernelCosts::Summary& summary, const std::string& scope = "run");
}  // namespace moesim::compute
