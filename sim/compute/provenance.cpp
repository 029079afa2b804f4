#include "compute/provenance.h"

#include <fmt/format.h>

namespace moesim {
void write_provenance(Results& results, const KernelCosts::Summary& summary) {
  for (const auto& [name, origin] : EnumNames<Origin>::table)
    results.metric(fmt::format("kernel_time_{}_share", name), summary.share[std::size_t(origin)], "");
  results.metric("kernel_time_borrowed_share", summary.borrowed, "");
  results.metric("largest_extrapolation", summary.beyond, "");
  if (!summary.beyond_kernel.empty())
    results.metric("largest_extrapolation", summary.beyond, "", "kernel:" + summary.beyond_kernel);
}
}  // namespace moesim
