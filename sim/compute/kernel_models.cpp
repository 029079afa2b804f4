// The table of kernel models.
#include "compute/kernel_model.h"

namespace moesim {
Strategy<KernelModel, const Gpu&> calibrated(), roofline();

const Family<KernelModel, const Gpu&>& kernel_models() {
  static const Family<KernelModel, const Gpu&> family("kernel model", {calibrated(), roofline()});
  return family;
}

std::unique_ptr<KernelModel> make_kernel_model(const Config& scenario, const Gpu& gpu) {
  return kernel_models().make_or(scenario, "kernels", "calibrated", gpu);
}
}  // namespace moesim
