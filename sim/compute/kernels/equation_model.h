// A kernel model that is the equations with a calibration; shared by `calibrated` (fitted) and `roofline` (ideal).
#pragma once
#include "compute/kernels/calibration.h"
#include "compute/kernels/choice.h"
#include "compute/kernels/equations.h"
#include "compute/kernels/kernel_model.h"

namespace moesim::compute {

/// How hot a GPU is: in short measurements the clock is the data sheet's, sustained tensor load lowers it.
enum class Heat { brief, sustained };

/// Times by equation on `gpu`.
class Equations {
 public:
  Equations(const spec::Gpu& gpu, Calibration calibration, Heat heat,
            ProductLibrary library = ProductLibrary::deep_gemm_2025, ExpertChoice experts = {});
  /// See KernelModel::prefer().
  void prefer(std::vector<ExpertLibrary> experts) { experts_.preferred = std::move(experts); }
  void prefer_scans(ScanLibrary library) {
    if (scans_ == ScanLibrary::usual) preferred_scans_ = library;
  }
  void set_scans(ScanLibrary library) { scans_ = library; }
  double seconds(const Kernel& kernel, GpuShare share) const;
  /// How far outside the fitted shapes the kernel is; `fitted` is false if nothing was fitted to its kind, and the
  /// lender who its efficiencies come from instead, if anyone.
  struct Reach {
    bool fitted = false;
    double beyond = 1;
    Lender lender = Lender::none;
    bool borrowed = false;  // of another generation
  };
  Reach reach(const Kernel& kernel) const;
  const Calibration& calibration() const { return calibration_; }

 private:
  ScanLibrary scan_library() const;
  const ScanEquation& scan_equation(Recurrence kind) const;
  /// Of next tokens.
  const StateEquation& recurrence_equation(const StateScan& s) const;
  /// The first where vLLM's kernels run and were measured.
  const StateEquation& of_vllm(const std::optional<StateEquation>& vllm, const StateEquation& usual) const;
  /// Whether convolutions of prompts are TensorRT-LLM's.
  bool block_convolution(const ShortConvolution& c) const;
  /// Of the others, and of next tokens.
  const StateEquation& convolution_equation(const ShortConvolution& c) const;
  /// Of keys that stand for `entry` tokens.
  const SparseEquation& sparse_equation(int entry) const;
  const SparseEquation& sparse_equation(const IndexScores& x) const;
  const SparseEquation& sparse_equation(const AttentionHeads& heads) const;
  const StateEquation& streams_equation(bool out) const;
  /// clock: under sustained load of the kernel's kind; 0: the calibration's.
  Machine machine(spec::Dtype dtype, GpuShare share, double clock = 0) const;
  spec::Gpu gpu_;
  Calibration calibration_;
  Heat heat_;
  ProductLibrary library_;
  ExpertChoice experts_;
  ScanLibrary scans_ = ScanLibrary::usual, preferred_scans_ = ScanLibrary::usual;
};

/// The kernel model `calibrated`.  calibration: an entry or file; "" for that of the GPU's generation.
std::unique_ptr<KernelModel> make_calibrated(const std::string& calibration, bool sustained, const spec::Gpu& gpu);
}  // namespace moesim::compute
