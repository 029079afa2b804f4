// Matrix products in the number formats that models are trained and served in, emulated on FP32 arithmetic.
#pragma once
#include <string_view>

#include "core/config.h"
#include "numerics/pass/arithmetic.h"

namespace moesim::numerics {

enum class Precision { fp32, bf16, fp8, fp8_limited };
constexpr auto enum_names(Precision) {
  return std::to_array<std::pair<std::string_view, Precision>>({{"fp32", Precision::fp32},
                                                                {"bf16", Precision::bf16},
                                                                {"fp8", Precision::fp8},
                                                                {"fp8_limited", Precision::fp8_limited}});
}
/// One line of what it computes.
std::string_view description_of(Precision precision);

/// What the products of a forward pass round; everything between them (norms, softmax, attention's own products, sums
/// into the residual stream) stays FP32.
///
/// bf16: both inputs and the result rounded to BF16, sums in FP32; the router's result stays FP32.
/// fp8: the products of attention and feed-forward networks take E4M3 inputs, activations scaled by tiles of 1x128 and
/// weights by blocks of 128x128 (scale: largest magnitude / 448), each 128 products summed in FP32, scaled and added in
/// FP32, the result rounded to BF16; router and head as under bf16.
/// fp8_limited: as fp8, but each 128 products are summed as Hopper's tensor cores do: see limited_dot.
/// Source: DeepSeek-V3 technical report, sections 3.3.1, 3.3.2 and 3.5.2.
const Arithmetic& arithmetic_of(Precision precision);

/// Sum of n products a[i] * b[i], a and b on the E4M3 grid: groups of 32 products are aligned to the largest
/// exponent among them and the sum so far, cut (towards zero) to the 14 highest bits there, and added exactly; the sum
/// so far is kept in the same 14 bits.
/// Source: DeepSeek-V3 technical report, section 3.5.2 (14 bits, alignment by the largest exponent, promotion to FP32
/// after 128 products); groups of 32 are the depth of one FP8 WGMMA instruction (PTX ISA 8.4, wgmma.mma_async).
float limited_dot(const float* a, const float* b, int n);

/// x (rows, columns) on the E4M3 grid in units of a scale a tile of 1x128: quantised (rows, columns) and
/// scales (rows, ceil(columns / 128)); a tile of zeros has scale 1.
void quantise_activations(const MatrixView& x, float* quantised, float* scales);
/// The same for blocks of 128x128, the first beginning at w's first row: scales (ceil(rows / 128), ceil(columns /
/// 128)).
void quantise_weights(const MatrixView& w, float* quantised, float* scales);
}  // namespace moesim::numerics
