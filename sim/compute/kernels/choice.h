// Which of a calibration's equations a kernel takes, and whose efficiencies those are.
#pragma once
#include <string>
#include <string_view>
#include <vector>

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
/// Whose products of routed experts are asked for.
struct ExpertChoice {
  ExpertLibrary library = ExpertLibrary::usual;
  std::string kernel;                    // of the library, by its name; "": its usual one
  std::vector<ExpertLibrary> preferred;  // of an engine, where the library is the usual one: the first with the format
};
/// What the library has no kernel for takes the usual one's.
Chosen<GemmEquation> choose(const Calibration& c, const GroupedGemm& g, const ExpertChoice& choice = {});
/// Throws std::logic_error for weights that no kernel of experts takes.
ExpertFormat format_of(const GroupedGemm& g);
/// Whether the GPUs of the calibration's generation, or those that lend to it, have the library's products.
bool has_library(const Calibration& c, ExpertLibrary library);
Chosen<AttentionEquation> choose(const Calibration& c, const AttentionPrefill& a);
Chosen<AttentionEquation> choose(const Calibration& c, const AttentionBackward& a);
Chosen<AttentionEquation> choose(const Calibration& c, const AttentionDecode& a);
}  // namespace moesim::compute
