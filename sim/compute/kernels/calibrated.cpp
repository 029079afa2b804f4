// Kernel model `calibrated`: the equations with parameters fitted to single-kernel measurements of a GPU generation.
#include <fmt/format.h>

#include "compute/kernels/equation_model.h"

namespace moesim::compute {
namespace {
class Calibrated final : public KernelModel {
 public:
  struct Params {
    std::string calibration;
    bool sustained = true, strict = false;
    ProductLibrary products = ProductLibrary::deep_gemm_2025;
    ExpertLibrary experts = ExpertLibrary::usual;
    ScanLibrary scans = ScanLibrary::usual;
    static void fields(auto& f, auto& p) {
      f("calibration", p.calibration, "entry or file; default kernels-GENERATION of the GPU");
      f("sustained", p.sustained, "clock throttled by sustained tensor load; false: as in short measurements");
      f("strict", p.strict, "refuses kernels whose efficiencies are another GPU generation's");
      f("products", p.products, "library of FP8 products in scaled blocks");
      f("experts", p.experts, "library of routed experts' products");
      f("scans", p.scans, "library that scans the prompts of layers that keep a state");
    }
  };
  Calibrated(Params p, const spec::Gpu& gpu)
      : KernelModel(gpu),
        equations_(gpu, load(p, gpu), p.sustained ? Heat::sustained : Heat::brief, p.products,
                   ExpertChoice{p.experts, {}, {}}),
        experts_(p.experts),
        strict_(p.strict) {
    equations_.set_scans(p.scans);
    const Calibration& c = equations_.calibration();
    if (has_library(c, p.experts)) return;
    std::string known;
    for (const auto& [name, library] : enum_names(ExpertLibrary{}))
      if (has_library(c, library)) known += fmt::format("{}{}", known.empty() ? "" : ", ", name);
    at_key("experts", [&]() -> Calibration {
      throw ConfigError(
          fmt::format("no products of {} on {} GPUs; there are {}", name_of(p.experts), gpu.generation, known));
    });
  }

  std::string source() const override {
    return experts_ == ExpertLibrary::usual ? fitted_to()
                                            : fmt::format("{}; experts' products: {}", fitted_to(), name_of(experts_));
  }

  std::string fitted_to() const {
    const Calibration& c = equations_.calibration();
    if (other_generation())
      return fmt::format("{} (nothing measured on {}: efficiencies of {})", c.title, gpu().generation, c.generation);
    if (!borrows(c)) return c.title;
    return fmt::format("{} (what was not measured on {}: efficiencies of {})", c.title, c.generation, c.from);
  }

  KernelError error() const override { return equations_.calibration().error; }
  KernelError borrowed_error() const override { return equations_.calibration().lent; }
  void prefer(const std::vector<ExpertLibrary>& experts) override { equations_.prefer(experts); }
  void prefer_scans(ScanLibrary library) override { equations_.prefer_scans(library); }

 protected:
  Estimate estimate(const Kernel& kernel, GpuShare share) const override {
    const Equations::Reach reach = equations_.reach(kernel);
    const Origin origin = !reach.fitted       ? Origin::equation
                          : reach.beyond <= 1 ? Origin::interpolated
                                              : Origin::extrapolated;
    const bool borrowed = reach.borrowed || other_generation();
    if (borrowed && strict_) refuse(kernel);
    return {equations_.seconds(kernel, share), {origin, float(reach.beyond), borrowed, reach.lender}};
  }

 private:
  [[noreturn]] void refuse(const Kernel& kernel) const {
    throw ConfigError(fmt::format("--strict-kernels: no kernel like {} was measured on {} ({})", describe(kernel),
                                  gpu().name, source()));
  }
  static Calibration load(const Params& p, const spec::Gpu& gpu) {
    if (p.calibration.empty()) return load_calibration("kernels-" + gpu.generation);
    return at_key("calibration", [&] { return load_calibration(p.calibration); });
  }
  bool other_generation() const { return equations_.calibration().generation != gpu().generation; }
  Equations equations_;
  ExpertLibrary experts_;
  bool strict_;
};
}  // namespace

std::unique_ptr<KernelModel> make_calibrated(const std::string& calibration, bool sustained, const spec::Gpu& gpu) {
  return std::make_unique<Calibrated>(Calibrated::Params{calibration, sustained}, gpu);
}

Strategy<KernelModel, const spec::Gpu&> calibrated() {
  return strategy<Calibrated, KernelModel, const spec::Gpu&>(
      "calibrated", "equations fitted to single kernels of the GPU's generation");
}
}  // namespace moesim::compute
