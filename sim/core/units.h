// Physical quantities as distinct types: mixing bytes with seconds does not compile.
#pragma once
#include <cmath>
#include <compare>
#include <cstdint>
#include <stdexcept>

#include "core/config_error.h"
#include "core/names.h"

namespace moesim::core {

template <class Tag, class Rep>
struct Quantity {
  Rep v{};
  constexpr auto operator<=>(const Quantity&) const = default;
  constexpr Quantity& operator+=(Quantity b) { return v += b.v, *this; }
  constexpr Quantity& operator-=(Quantity b) { return v -= b.v, *this; }
  friend constexpr Quantity operator+(Quantity a, Quantity b) { return {a.v + b.v}; }
  friend constexpr Quantity operator-(Quantity a, Quantity b) { return {a.v - b.v}; }
  friend constexpr Quantity operator*(Quantity a, Rep k) { return {a.v * k}; }
  friend constexpr Quantity operator*(Rep k, Quantity a) { return {a.v * k}; }
  friend constexpr Quantity operator/(Quantity a, Rep k) { return {a.v / k}; }
  friend constexpr double operator/(Quantity a, Quantity b) { return double(a.v) / double(b.v); }
};

using Time = Quantity<struct TimeTag, std::int64_t>;      // picoseconds; 2^63 ps = 106 days
using Bytes = Quantity<struct BytesTag, std::int64_t>;    // bytes
using Flops = Quantity<struct FlopsTag, double>;          // operations; one multiply-add is 2
using Bandwidth = Quantity<struct BandwidthTag, double>;  // bytes per second
using FlopRate = Quantity<struct FlopRateTag, double>;    // operations per second
using Power = Quantity<struct PowerTag, double>;          // watts
using Price = Quantity<struct PriceTag, double>;          // US dollars per hour

constexpr double seconds(Time t) { return double(t.v) * 1e-12; }

[[noreturn]] inline void beyond_the_clock() {
  throw ConfigError(
      "something takes longer than the 106 days that the simulated clock counts: a rate is too low or a "
      "size too large");
}

/// Rounds up to a whole picosecond, so work never finishes early.
/// Throws std::logic_error unless s >= 0, ConfigError from 9.2e6 on (106 days).
inline Time from_seconds(double s) {
  if (!(s >= 0)) throw std::logic_error("a duration must not be negative");
  if (s >= 9.2e6) beyond_the_clock();
  return {std::int64_t(std::ceil(s * 1e12))};
}
inline Time operator/(Bytes b, Bandwidth r) { return from_seconds(double(b.v) / r.v); }
inline Time operator/(Flops f, FlopRate r) { return from_seconds(f.v / r.v); }

inline namespace literals {
consteval Time operator""_ps(unsigned long long n) { return {std::int64_t(n)}; }
consteval Time operator""_ns(unsigned long long n) { return {std::int64_t(n) * 1'000}; }
consteval Time operator""_us(unsigned long long n) { return {std::int64_t(n) * 1'000'000}; }
consteval Time operator""_ms(unsigned long long n) { return {std::int64_t(n) * 1'000'000'000}; }
consteval Time operator""_s(unsigned long long n) { return {std::int64_t(n) * 1'000'000'000'000}; }
consteval Bytes operator""_B(unsigned long long n) { return {std::int64_t(n)}; }
consteval Bytes operator""_KiB(unsigned long long n) { return {std::int64_t(n) << 10}; }
consteval Bytes operator""_MiB(unsigned long long n) { return {std::int64_t(n) << 20}; }
consteval Bytes operator""_GiB(unsigned long long n) { return {std::int64_t(n) << 30}; }
consteval Bandwidth operator""_Bps(unsigned long long n) { return {double(n)}; }
consteval Bandwidth operator""_GBps(long double n) { return {double(n) * 1e9}; }
consteval Bandwidth operator""_GBps(unsigned long long n) { return {double(n) * 1e9}; }
consteval Bandwidth operator""_TBps(long double n) { return {double(n) * 1e12}; }
consteval Bandwidth operator""_Gbps(unsigned long long n) { return {double(n) * 1e9 / 8}; }
consteval FlopRate operator""_FLOPS(unsigned long long n) { return {double(n)}; }
consteval FlopRate operator""_TFLOPS(unsigned long long n) { return {double(n) * 1e12}; }
consteval FlopRate operator""_TFLOPS(long double n) { return {double(n) * 1e12}; }
}  // namespace literals
}  // namespace moesim::core
