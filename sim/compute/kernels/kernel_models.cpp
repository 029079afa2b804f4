// The table of kernel models.
#include "compute/kernels/kernel_model.h"

namespace moesim::compute {
Strategy<KernelModel, const spec::Gpu&> calibrated(), roofline(), table();

const Family<KernelModel, const spec::Gpu&>& kernel_models() {
  static const Family<KernelModel, const spec::Gpu&> family("kernels", {calibrated(), roofline(), table()});
  return family;
}

std::unique_ptr<KernelModel> make_kernel_model(const Config& scenario, const spec::Gpu& gpu) {
  return kernel_models().make_or(scenario, "kernels", "calibrated", gpu);
}
}  // namespace moesim::compute
