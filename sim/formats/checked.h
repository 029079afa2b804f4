// Arithmetic on numbers that stand in a file: what is beyond 64 bits counts as the largest, never as something small.
#pragma once
#include <cstdint>
#include <vector>

namespace moesim::formats {

/// Past any file's size: what was too large to count.
inline constexpr std::uint64_t kUncountable = UINT64_MAX;

/// The sum and the product, kUncountable if they do not fit.  To be held against what is really there.
inline std::uint64_t sum_of(std::uint64_t a, std::uint64_t b) {
  std::uint64_t out = 0;
  return __builtin_add_overflow(a, b, &out) ? kUncountable : out;
}
inline std::uint64_t product_of(std::uint64_t a, std::uint64_t b) {
  std::uint64_t out = 0;
  if (a == 0 || b == 0) return 0;
  return __builtin_mul_overflow(a, b, &out) ? kUncountable : out;
}

/// The elements of an array of this shape; a negative size counts as uncountable.
inline std::uint64_t elements_of(const std::vector<std::int64_t>& shape) {
  std::uint64_t out = 1;
  for (const std::int64_t n : shape) out = n < 0 ? kUncountable : product_of(out, std::uint64_t(n));
  return out;
}

/// Whether strides and products of any of the sizes fit 64 bits: an empty array may have sizes that do not.
inline bool sizes_fit(const std::vector<std::int64_t>& shape) {
  std::uint64_t all = 1;
  for (const std::int64_t n : shape) all = n < 0 ? kUncountable : n == 0 ? all : product_of(all, std::uint64_t(n));
  return all <= std::uint64_t(INT64_MAX) / 16;  // 16: the widest element and to spare
}
}  // namespace moesim::formats
