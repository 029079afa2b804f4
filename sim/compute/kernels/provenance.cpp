#include "compute/kernels/provenance.h"

#include <fmt/format.h>

namespace moesim::compute {
void write_provenance(results::Results& results, const KernelCosts::Summary& summary, const std::string& scope) {
  for (const auto& [name, origin] : enum_names(Origin{}))
    results.metric(fmt::format("kernel_time_{}_share", name), summary.share[std::size_t(origin)], "", scope);
  results.metric("kernel_time_borrowed_share", summary.borrowed, "", scope);
  if (summary.error.median > 0) {
    results.metric("kernel_error_median", summary.error.median, "", scope);
    results.metric("kernel_error_p90", summary.error.ninetieth, "", scope);
  }
  if (summary.borrowed > 0 && summary.borrowed_error.median > 0) {
    results.metric("kernel_error_borrowed_median", summary.borrowed_error.median, "", scope);
    results.metric("kernel_error_borrowed_p90", summary.borrowed_error.ninetieth, "", scope);
  }
  const std::string within = scope == "run" ? "" : scope + ",";
  for (const auto& [name, lender] : enum_names(Lender{}))
    if (const double lent = summary.lent[std::size_t(lender)]; lent > 0)
      results.metric("kernel_time_lent_share", lent, "", fmt::format("{}lender:{}", within, name));
  results.metric("largest_extrapolation", summary.beyond, "", scope);
  if (summary.beyond_kernel.empty()) return;
  const std::string kernel = within + "kernel:" + summary.beyond_kernel;
  results.metric("largest_extrapolation", summary.beyond, "", kernel);
  results.metric("kernel_time_extrapolated_share", summary.beyond_share, "", kernel);
}
}  // namespace moesim::compute
