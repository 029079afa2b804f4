// Rounding FP32 to narrower formats: to nearest, ties to even.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace moesim::numerics {

/// The nearest BF16 value; beyond the largest, infinity.  x is a number.
inline float round_to_bf16(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  return std::bit_cast<float>((bits + 0x7FFFU + ((bits >> 16) & 1U)) & 0xFFFF0000U);
}
inline std::uint16_t to_bf16(float x) { return std::uint16_t(std::bit_cast<std::uint32_t>(round_to_bf16(x)) >> 16); }

inline constexpr float kLargestE4m3 = 448;

/// The nearest E4M3 value; beyond the largest, the largest; zeros lose their sign.
inline float round_to_e4m3(float x) {
  const float y = std::clamp(x, -kLargestE4m3, kLargestE4m3);
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(y);
  const auto normal = std::bit_cast<float>((bits + 0x7FFFFU + ((bits >> 20) & 1U)) & 0xFFF00000U);
  const float small = (y + 0x1.8p14F) - 0x1.8p14F;  // steps of 2^-9, those of the subnormals
  return std::fabs(y) < 0x1p-6F ? small : normal;
}
/// The bits of the nearest E4M3 value, with the sign of x.
inline std::uint8_t to_e4m3(float x) {
  const float y = round_to_e4m3(x);
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(y);
  const auto sign = std::uint8_t((std::bit_cast<std::uint32_t>(x) >> 24) & 0x80U);
  if (std::fabs(y) < 0x1p-6F) return std::uint8_t(sign | std::uint8_t(std::fabs(y) * 0x1p9F));
  return std::uint8_t(sign | (((bits >> 20) & 0x7FFU) - (120U << 3)));
}

/// The nearest IEEE binary16; beyond the largest, infinity.
inline std::uint16_t to_fp16(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const auto sign = std::uint16_t((bits >> 16) & 0x8000U);
  const float size = std::fabs(x);
  if (size < 0x1p-14F) return std::uint16_t(sign | std::uint16_t(((size + 0.5F) - 0.5F) * 0x1p24F));
  const std::uint32_t rounded = (bits & 0x7FFFFFFFU) + 0xFFFU + ((bits >> 13) & 1U);
  const std::uint32_t half = (rounded >> 13) - (112U << 10);
  return std::uint16_t(sign | std::min(half, 0x7C00U));
}
}  // namespace moesim::numerics
