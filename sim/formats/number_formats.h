// The number formats of stored weights and how their bits read as FP32; all conversions here are exact.
#pragma once
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace moesim::formats {

inline float from_bf16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t(bits) << 16); }

/// IEEE binary16.
inline float from_fp16(std::uint16_t bits) {
  const std::uint32_t sign = std::uint32_t(bits & 0x8000U) << 16;
  const std::uint32_t exponent = (bits >> 10) & 31U, fraction = bits & 1023U;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000U | (fraction << 13));
  if (exponent == 0) {
    const float small = float(fraction) * 0x1p-24F;
    return sign != 0 ? -small : small;
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

/// FP8 E4M3 without infinities: bias 7, largest 448, 0x7F and 0xFF are NaN.  Source: OCP 8-bit floating point
/// specification, revision 1.0, table 1.
inline float from_e4m3(std::uint8_t bits) {
  const int exponent = (bits >> 3) & 15, fraction = bits & 7;
  if ((bits & 0x7F) == 0x7F) return std::numeric_limits<float>::quiet_NaN();
  const float size = exponent == 0 ? std::ldexp(float(fraction), -9) : std::ldexp(float(8 + fraction), exponent - 10);
  return (bits & 0x80) != 0 ? -size : size;
}
/// from_e4m3 of every byte.
inline const std::array<float, 256>& e4m3_table() {
  static const std::array<float, 256> table = [] {
    std::array<float, 256> t{};
    for (unsigned i = 0; i < 256; ++i) t[i] = from_e4m3(std::uint8_t(i));
    return t;
  }();
  return table;
}

/// FP4 E2M1, by its four bits.  Source: OCP microscaling formats specification, revision 1.0, table 5.
inline constexpr std::array<float, 16> kE2m1{0, 0.5F, 1, 1.5F, 2, 3, 4, 6, -0.0F, -0.5F, -1, -1.5F, -2, -3, -4, -6};
/// The scale of a microscaling block: E8M0, 255 is NaN.
inline float from_e8m0(std::uint8_t bits) {
  return bits == 255 ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0F, int(bits) - 127);
}
}  // namespace moesim::formats
