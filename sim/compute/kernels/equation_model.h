// A kernel model that is the equations with a calibration; shared by `calibrated` (fitted) and `roofline` (ideal).
#pragma once
#include "compute/kernels/calibration.h"
#include "compute/kernels/equations.h"
#include "compute/kernels/kernel_model.h"

namespace moesim::compute {

/// Times by equation on `gpu`.  clock: of the tensor cores, relative to the data sheet's.
class Equations {
 public:
  Equations(const spec::Gpu& gpu, Calibration calibration, double clock);
  double seconds(const Kernel& kernel, GpuShare share) const;
  /// How far outside the fitted shapes the kernel is; `fitted` is false if nothing was fitted to its kind, and the
  /// lender who its efficiencies come from instead, if anyone.
  struct Reach {
    bool fitted = false;
    double beyond = 1;
    Lender lender = Lender::none;
  };
  Reach reach(const Kernel& kernel) const;
  const Calibration& calibration() const { return calibration_; }

 private:
  Machine machine(spec::Dtype dtype, GpuShare share) const;
  spec::Gpu gpu_;
  Calibration calibration_;
  double clock_;
};

/// The kernel model `calibrated`.  calibration: an entry or file; "" for that of the GPU's generation.
std::unique_ptr<KernelModel> make_calibrated(const std::string& calibration, bool sustained, const spec::Gpu& gpu);
}  // namespace moesim::compute
