// How long a kernel takes on a GPU, and where that number comes from.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "compute/kernels/expert_library.h"
#include "compute/kernels/kernel.h"
#include "core/family.h"
#include "spec/hardware.h"

namespace moesim::compute {

enum class Origin {
  measured,      ///< this very shape is in a table
  interpolated,  ///< between shapes of a table, or an equation inside the range it was fitted on
  extrapolated,  ///< an equation outside the range it was fitted on
  equation       ///< an equation fitted to nothing, or to another kind of kernel: its Lender
};
constexpr auto enum_names(Origin) {
  return std::to_array<std::pair<std::string_view, Origin>>({{"measured", Origin::measured},
                                                             {"interpolated", Origin::interpolated},
                                                             {"extrapolated", Origin::extrapolated},
                                                             {"equation", Origin::equation}});
}

/// Measured kernels whose efficiencies an equation takes where none of its own kind was measured.
enum class Lender {
  none,              ///< its own kind was measured, or nothing at all
  fp8_products,      ///< of products in other precisions
  latent_attention,  ///< MLA over a BF16 cache: of attention of other kinds and caches
  other_moves,       ///< memory-bound kernels of known rates: of those whose own rate is assumed
  gated_delta        ///< next tokens of gated DeltaNet: of other states
};
constexpr auto enum_names(Lender) {
  return std::to_array<std::pair<std::string_view, Lender>>({{"none", Lender::none},
                                                             {"fp8 products", Lender::fp8_products},
                                                             {"latent attention", Lender::latent_attention},
                                                             {"other moves", Lender::other_moves},
                                                             {"gated delta", Lender::gated_delta}});
}

struct Provenance {
  Origin origin = Origin::equation;
  float beyond = 1;       // how many times outside the fitted range, in the dimension that is furthest out; 1 inside
  bool borrowed = false;  // efficiencies measured on another GPU generation
  Lender lender = Lender::none;  // of the efficiencies, if another kind of kernel
};

struct Cost {
  Time time{};
  Provenance from;
  float draw = 0;  // power of the whole GPU meanwhile, over its board limit
};

/// Energy of a kernel above that of a GPU that waits for others' data, in seconds at the board limit.
inline double above_waiting(const Cost& cost, const spec::Gpu& gpu) {
  return seconds(cost.time) * (double(cost.draw) - gpu.draw.launch);
}

/// The part of a GPU a kernel has to itself while others run beside it.
struct GpuShare {
  int sms = 0;        // 0 means all
  double memory = 1;  // share of the HBM bandwidth it may use, 0 < memory <= 1
  bool operator==(const GpuShare&) const = default;
};

/// How far a model is from single kernels that were measured: shares of the measured time; 0 where that is not known.
struct KernelError {
  double median = 0, ninetieth = 0;  // of the absolute errors; means over classes of kernels, by rows
};

/// Times of kernels on one GPU.  Never below FLOPs over peak nor bytes over bandwidth; more SMs are never slower.
class KernelModel {
 public:
  explicit KernelModel(spec::Gpu gpu);
  virtual ~KernelModel() = default;
  /// Throws ConfigError if the shape is empty, or the GPU lacks the precision or the SMs.
  Cost cost(const Kernel& kernel, GpuShare share = {}) const;
  /// The least time the data sheet allows: FLOPs over peak or bytes over bandwidth, of the share.
  Time bound(const Kernel& kernel, GpuShare share = {}) const;
  /// One line for reports: which calibration, measured on what, borrowed from whom.
  virtual std::string source() const = 0;
  /// Over the measurements behind it, of the GPU generation whose efficiencies it takes.
  virtual KernelError error() const { return {}; }
  /// The same of kernels of one generation with the efficiencies of another, where that was measured.
  virtual KernelError borrowed_error() const { return {}; }
  /// Libraries of routed experts' products that an engine takes where the scenario names none; ideal models have none.
  virtual void prefer(const std::vector<ExpertLibrary>&) {}
  /// Likewise, whose kernels scan the prompts of layers that keep a state.
  virtual void prefer_scans(ScanLibrary) {}
  const spec::Gpu& gpu() const { return gpu_; }
  /// Power of a GPU that runs the kernel in this time, over its board limit: by what bounds the kernel.
  double draw(const Kernel& kernel, Time time) const;

  /// A kernel model's answer before it is held to the bound.
  struct Estimate {
    double seconds = 0;
    Provenance from;
  };

 protected:
  virtual Estimate estimate(const Kernel& kernel, GpuShare share) const = 0;

 private:
  spec::Gpu gpu_;
};

/// calibrated (default), roofline, table; `moesim list kernels`.
const Family<KernelModel, const spec::Gpu&>& kernel_models();
/// The family member a scenario's `kernels:` names; calibrated if it names none.
std::unique_ptr<KernelModel> make_kernel_model(const Config& scenario, const spec::Gpu& gpu);

/// Times of two kernels that run side by side on disjoint SMs for as long as both run: if together they ask for more
/// than the HBM gives, each gets its fair share of it (max-min).
struct TogetherCost {
  Cost first, second;                // as if the other never ended
  double first_share, second_share;  // of the HBM bandwidth
};
TogetherCost cost_together(const KernelModel& model, const Kernel& first, int first_sms, const Kernel& second,
                           int second_sms);

/// A kernel model with a memory: the same question costs a look-up.  One a run (not for several threads at once); also
/// counts where the run's times came from.
class KernelCosts {
 public:
  explicit KernelCosts(const KernelModel& model, std::size_t capacity = 1 << 16);
  ~KernelCosts();
  KernelCosts(const KernelCosts&) = delete;
  KernelCosts& operator=(const KernelCosts&) = delete;

  Cost cost(const Kernel& kernel, GpuShare share = {});
  Time time(const Kernel& kernel, GpuShare share = {}) { return cost(kernel, share).time; }
  const KernelModel& model() const { return model_; }

  /// Shares of the time asked for so far.
  struct Summary {
    std::array<double, 4> share{};  // by Origin, of the summed time; all 0 if nothing was asked
    std::array<double, std::size(enum_names(Lender{}))> lent{};  // by Lender: shares with another kind's efficiencies
    double borrowed = 0;                                         // share from another generation's measurements
    double beyond = 1;           // the largest extrapolation among kinds of kernel that take at least 1 % outside
                                 // their range, or of all if none does
    std::string beyond_kernel;   // its shape in words; "" if none
    KernelError borrowed_error;  // of kernels with another generation's efficiencies
    KernelError error;           // of the model over the kernels it was held against
    double beyond_share = 0;     // share of all kernels of its kind outside their range
  };
  Summary summary() const;

 private:
  const KernelModel& model_;
  struct Cache;
  std::unique_ptr<Cache> cache_;
};

}  // namespace moesim::compute
