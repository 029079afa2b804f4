// Kernel model `calibrated`: the equations with parameters fitted to single-kernel measurements of a GPU generation.
#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "compute/kernels/equation_model.h"

namespace moesim::compute {
namespace {
/// Kernels of whole sequences: those that were fitted, or those before them.
enum class AttentionLibrary { usual, flash_attention_2 };
constexpr auto enum_names(AttentionLibrary) {
  return std::to_array<std::pair<std::string_view, AttentionLibrary>>(
      {{"usual", AttentionLibrary::usual}, {"flash_attention_2", AttentionLibrary::flash_attention_2}});
}

// FlashAttention-2 on H100 SXM, heads of 128, 4096 to 16,384 tokens, no mask, over the 989.4 TFLOP/s of the data sheet.
// Source: Shah et al., FlashAttention-3, 2024, figures 5 (forward: 368 to 370 TFLOP/s) and 6 (backward: 310 to 322).
// Steps along the diagonal stay as fitted: both kernels have tiles of 128 queries.
constexpr double kEarlierForward = 370e12 / 989.4e12, kEarlierBackward = 322e12 / 989.4e12;
constexpr FittedRange kEarlierRange{
    .m_min = 4096, .m_max = 16384, .n_min = 16, .n_max = 64, .k_min = 4096, .k_max = 16384};

void set_earlier(AttentionEquation& equation, double tensor) {
  equation.tensor = tensor;
  equation.exponents = 0;  // the rate that was measured has them
  equation.sustained = 1;  // at a third of the arithmetic nothing throttles
  equation.fitted = kEarlierRange;
}

Calibration with_attention(Calibration c, AttentionLibrary library) {
  if (library == AttentionLibrary::usual) return c;
  if (c.generation != "hopper")
    at_key("attention", [&]() -> Calibration {
      throw ConfigError(fmt::format("flash_attention_2 is known on hopper GPUs, not on {}", c.generation));
    });
  set_earlier(c.prefill, kEarlierForward);
  if (c.prefill_heads) set_earlier(*c.prefill_heads, kEarlierForward);
  set_earlier(c.backward, kEarlierBackward);
  return c;
}

class Calibrated final : public KernelModel {
 public:
  struct Params {
    std::string calibration;
    bool sustained = true, strict = false;
    ProductLibrary products = ProductLibrary::deep_gemm_2025;
    ExpertLibrary experts = ExpertLibrary::usual;
    ScanLibrary scans = ScanLibrary::usual;
    AttentionLibrary attention = AttentionLibrary::usual;
    static void fields(auto& f, auto& p) {
      f("calibration", p.calibration, "entry or file; default kernels-GENERATION of the GPU");
      f("sustained", p.sustained, "clock throttled by sustained tensor load; false: as in short measurements");
      f("strict", p.strict, "refuses kernels whose efficiencies are another GPU generation's");
      f("products", p.products, "library of FP8 products in scaled blocks");
      f("experts", p.experts, "library of routed experts' products");
      f("scans", p.scans, "library that scans the prompts of layers that keep a state");
      f("attention", p.attention,
        "kernels of whole sequences' attention in BF16: usual, or flash_attention_2 (Hopper; before mid-2024)");
    }
  };
  Calibrated(Params p, const spec::Gpu& gpu)
      : KernelModel(gpu),
        equations_(gpu, with_attention(load(p, gpu), p.attention), p.sustained ? Heat::sustained : Heat::brief,
                   p.products, ExpertChoice{p.experts, {}, {}}),
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
