// Four numbers in one vector register, which every x86-64 and ARM core has; the compiler's own extension.
#pragma once
#include <cstring>

namespace moesim::numerics {

inline constexpr int kLanes = 4;
using Four = float __attribute__((vector_size(16)));
using FourInt = int __attribute__((vector_size(16)));

inline Four all(float x) { return Four{x, x, x, x}; }
inline Four load_four(const float* x) {
  Four v;
  std::memcpy(&v, x, sizeof v);
  return v;
}
inline void store_four(float* x, Four v) { std::memcpy(x, &v, sizeof v); }
inline Four smaller(Four a, Four b) { return a < b ? a : b; }
inline Four larger(Four a, Four b) { return a > b ? a : b; }

/// The largest of n > 0 values.
inline float largest(const float* x, int n) {
  Four best = all(x[0]);
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) best = larger(best, load_four(x + i));
  for (; i < n; ++i) best = larger(best, all(x[i]));
  const float low = best[0] > best[1] ? best[0] : best[1], high = best[2] > best[3] ? best[2] : best[3];
  return low > high ? low : high;
}
}  // namespace moesim::numerics
