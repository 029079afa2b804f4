// Which of a calibration's equations a kernel takes, and whose efficiencies those are.
#pragma once
#include "compute/kernels/calibration.h"
#include "compute/kernels/kernel.h"
#include "compute/kernels/kernel_model.h"

namespace moesim::compute {

/// Whose products in scaled FP8 blocks.
enum class ProductLibrary {
  deep_gemm_2025,  ///< as of 2025-03: what published deployments of that year ran
  deep_gemm_2026
};
constexpr auto enum_names(ProductLibrary) {
  return std::to_array<std::pair<std::string_view, ProductLibrary>>(
      {{"deep_gemm_2025", ProductLibrary::deep_gemm_2025}, {"deep_gemm_2026", ProductLibrary::deep_gemm_2026}});
}

/// An equation's parameters; the lender if no kernel of the asked kind was measured.
template <class E>
struct Chosen {
  const E& equation;
  Lender lender = Lender::none;
};

Chosen<GemmEquation> choose(const Calibration& c, const Gemm& g, ProductLibrary library);
Chosen<GemmEquation> choose(const Calibration& c, const GroupedGemm& g);
Chosen<AttentionEquation> choose(const Calibration& c, const AttentionPrefill& a);
Chosen<AttentionEquation> choose(const Calibration& c, const AttentionBackward& a);
Chosen<AttentionEquation> choose(const Calibration& c, const AttentionDecode& a);
}  // namespace moesim::compute
