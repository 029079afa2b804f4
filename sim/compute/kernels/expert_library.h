// Libraries of grouped products.
#pragma once
#include <array>
#include <string_view>
#include <utility>

namespace moesim::compute {

/// Whose products of routed experts.
enum class ExpertLibrary {
  usual,  ///< what engines run for the number format; deep_gemm for scaled FP8 blocks
  deep_gemm,
  triton,
  cutlass,
  trtllm,
  marlin
};
constexpr auto enum_names(ExpertLibrary) {
  return std::to_array<std::pair<std::string_view, ExpertLibrary>>({{"usual", ExpertLibrary::usual},
                                                                    {"deep_gemm", ExpertLibrary::deep_gemm},
                                                                    {"triton", ExpertLibrary::triton},
                                                                    {"cutlass", ExpertLibrary::cutlass},
                                                                    {"trtllm", ExpertLibrary::trtllm},
                                                                    {"marlin", ExpertLibrary::marlin}});
}
}  // namespace moesim::compute
