// The table of kernel models.
#include "compute/kernel_model.h"

namespace moesim {
Strategy<KernelModel, const Gpu&> calibrated(), roofline(), table();

const Family<KernelModel, const Gpu&>& kernel_models() {
  static const Family<KernelModel, const Gpu&> family("kernels", {calibrated(), roofline(), table()});
  return family;
}

std::unique_ptr<KernelModel> make_kernel_model(const Config& scenario, const Gpu& gpu) {
  return kernel_models().make_or(scenario, "kernels", "calibrated", gpu);
}
}  // namespace moesim
