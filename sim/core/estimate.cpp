#include "core/estimate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace moesim::core {
namespace {
/// 1234567 as "1,234,567".
std::string with_commas(double whole) {
  std::string out = fmt::format("{:.0f}", whole);
  for (std::ptrdiff_t at = std::ptrdiff_t(out.size()) - 3; at > 0; at -= 3) out.insert(std::size_t(at), ",");
  return out;
}
}  // namespace

double Estimate::bytes() const {
  double sum = 0;
  for (const Part& p : parts) sum += p.bytes;
  return sum;
}

const Estimate::Part& Estimate::largest() const {
  check(!parts.empty(), "an estimate of nothing");
  return *std::ranges::max_element(parts, {}, &Part::bytes);
}

std::string rounded_bytes(double bytes) {
  constexpr std::pair<double, const char*> kUnits[] = {{1e18, "EB"}, {1e15, "PB"}, {1e12, "TB"},
                                                       {1e9, "GB"},  {1e6, "MB"},  {1e3, "kB"}};
  if (bytes >= 1e21) return fmt::format("{:.3g} EB", bytes / 1e18);
  for (const auto& [scale, unit] : kUnits)
    if (bytes >= scale * 0.9995) return fmt::format("{:.3g} {}", bytes / scale, unit);
  return fmt::format("{:.0f} B", bytes);
}

std::string rounded_count(double count) {
  return count < 1e15 ? with_commas(std::round(count)) : fmt::format("{:.3g}", count);
}

std::string rounded_time(double seconds) {
  constexpr double kDay = 86400, kYear = 365 * kDay;
  if (seconds < 1) return "less than 1 s";
  if (seconds < 99.5) return fmt::format("{:.2g} s", seconds);
  if (seconds < 120) return fmt::format("{:.0f} s", seconds);  // two digits would be 1.2e+02
  if (seconds < 2 * 3600) return fmt::format("{:.0f} min", seconds / 60);
  if (seconds < 2 * kDay) return fmt::format("{:.0f} h", seconds / 3600);
  return seconds < 2 * kYear ? fmt::format("{:.0f} days", seconds / kDay) : rounded_count(seconds / kYear) + " years";
}
}  // namespace moesim::core
