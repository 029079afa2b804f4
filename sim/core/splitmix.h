// The bits of SplitMix64: a stateless way from numbers that are near each other to bits that are not.
#pragma once
#include <cstdint>

#include "core/names.h"

namespace moesim::core {

/// What SplitMix64 adds to its state before each number: 2^64 over the golden ratio, odd.
inline constexpr std::uint64_t kSplitMixStep = 0x9e3779b97f4a7c15;

/// SplitMix64's finaliser: one to one, and every bit of the result depends on every bit of x.
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014, with Stafford's constants
/// (variant 13).
constexpr std::uint64_t split_mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}
}  // namespace moesim::core
