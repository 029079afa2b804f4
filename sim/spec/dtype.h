// Number formats of weights and of what is multiplied, and the bytes they take with their scales.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

namespace moesim::spec {

/// fp4: MXFP4, blocks of 32 with an 8-bit scale; nvfp4: blocks of 16 with an FP8 one; int8: a BF16 scale a row; int4:
/// groups of 128 with a BF16 scale, int4_g32: of 32.
enum class Dtype { fp32, bf16, fp16, fp8, fp4, nvfp4, int8, int4, int4_g32 };
constexpr auto enum_names(Dtype) {
  return std::to_array<std::pair<std::string_view, Dtype>>({{"fp32", Dtype::fp32},
                                                            {"bf16", Dtype::bf16},
                                                            {"fp16", Dtype::fp16},
                                                            {"fp8", Dtype::fp8},
                                                            {"fp4", Dtype::fp4},
                                                            {"nvfp4", Dtype::nvfp4},
                                                            {"int8", Dtype::int8},
                                                            {"int4", Dtype::int4},
                                                            {"int4_g32", Dtype::int4_g32}});
}

/// Of one element, without scales.
int element_bits(Dtype dtype);
inline double element_bytes(Dtype dtype) { return element_bits(dtype) / 8.0; }
/// Whether products take operands of it with scales for blocks of them.
constexpr bool block_scaled(Dtype d) { return d == Dtype::fp8 || d == Dtype::fp4 || d == Dtype::nvfp4; }
/// Whether a layer's projections are stored in fewer than 16 bits.
constexpr bool quantised(Dtype d) { return d != Dtype::fp32 && d != Dtype::bf16 && d != Dtype::fp16; }
/// Bytes of a weight of `rows` outputs and `columns` inputs, scales included: FP8 has an FP32 scale for 128 x 128.
std::int64_t matrix_bytes(std::int64_t rows, std::int64_t columns, Dtype dtype);
}  // namespace moesim::spec
