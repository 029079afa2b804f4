#include "compute/provenance.h"

#include <fmt/format.h>

namespace moesim {
void write_provenance(Results& results, const KernelCosts::Summary& summary, const std::string& scope) {
  for (const auto& [name, origin] : EnumNames<Origin>::table)
    results.metric(fmt::format("kernel_time_{}_share", name), summary.share[std::size_t(origin)], "", scope);
  results.metric("kernel_time_borrowed_share", summary.borrowed, "", scope);
  results.metric("largest_extrapolation", summary.beyond, "", scope);
  if (!summary.beyond_kernel.empty())
    results.metric("largest_extrapolation", summary.beyond, "",
                   (scope == "run" ? "" : scope + ",") + "kernel:" + summary.beyond_kernel);
}
}  // namespace moesim
