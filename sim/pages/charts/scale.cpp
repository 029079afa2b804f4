#include "pages/charts/scale.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/elementary.h"
#include "results/metrics.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
constexpr double kTiny = 1e-300;

/// 1, 2, 2.5 or 5 times a power of ten, the least that makes at most `most` steps of `length`.
double round_step(double length, int most) {
  const double least = std::max(length / std::max(most, 1), kTiny), power = pow_of(10, std::floor(std::log10(least)));
  for (const double times : {1.0, 2.0, 2.5, 5.0})
    if (times * power >= least * (1 - 1e-9)) return times * power;
  return 10 * power;
}
}  // namespace

double Scale::at(double value) const {
  if (!std::isfinite(value) || !(to > from)) return 0;
  const double share = logarithmic ? (log_of(std::max(value, kTiny)) - log_of(from)) / (log_of(to) - log_of(from))
                                   : (value - from) / (to - from);
  return std::clamp(share, 0.0, 1.0);
}

std::vector<double> Scale::ticks(int most) const {
  std::vector<double> out;
  if (!(to > from) || !std::isfinite(to - from)) return out;
  if (!logarithmic) {
    const double step = round_step(to - from, most);
    for (int i = 0; i <= most + 1; ++i)
      if (const double v = (std::ceil(from / step - 1e-9) + i) * step; v <= to + step * 1e-9) out.push_back(v);
    return out;
  }
  for (const int kept : {3, 1}) {  // 1, 2 and 5 of each power of ten, or the powers alone
    out.clear();
    for (double power = pow_of(10, std::floor(std::log10(from))); power <= to; power *= 10)
      for (int i = 0; i < kept; ++i)
        if (const double v = power * std::array{1, 2, 5}[std::size_t(i)];
            v >= from * (1 - 1e-9) && v <= to * (1 + 1e-9))
          out.push_back(v);
    if (int(out.size()) <= most) break;
  }
  const std::size_t every = (out.size() + std::size_t(most) - 1) / std::size_t(std::max(most, 1));
  std::vector<double> thinned;
  for (std::size_t i = 0; i < out.size(); i += std::max<std::size_t>(every, 1)) thinned.push_back(out[i]);
  return thinned;
}

Scale round_scale(double low, double high, int ticks, bool from_zero) {
  if (!std::isfinite(low) || !std::isfinite(high)) low = 0, high = 1;
  if (from_zero) low = std::min(low, 0.0), high = std::max(high, 0.0);
  if (!(high > low)) {
    const double around = std::max(std::fabs(low) * 0.05, low == 0 ? 1.0 : kTiny);
    from_zero || low == 0 ? void(high = low + around) : void((low -= around, high += around));
  }
  const double step = round_step(high - low, ticks);
  return {std::floor(low / step + 1e-9) * step, std::ceil(high / step - 1e-9) * step, false};
}

Scale log_scale(double low, double high) {
  if (!(low > 0) || !std::isfinite(low)) low = 1e-3;
  if (!(high > low) || !std::isfinite(high)) high = low * 10;
  return {low, high, true};
}

AxisUnit axis_unit(double largest, std::string_view unit) {
  const double size = std::fabs(largest);
  if (unit == "s") {
    if (size >= 172800) return {86400, "days"};
    if (size >= 7200) return {3600, "h"};
    if (size >= 600) return {60, "min"};
  }
  const results::UnitDefinition* known = results::find_unit(unit);
  const bool scales = known != nullptr && known->scales;
  if ((!scales && size < 1e4) || size == 0) return {1, std::string(unit)};
  if (!scales && !unit.empty())  // "2 million tokens": a prefix would be one of a unit
    for (const auto& [factor, word] :
         {std::pair(1e12, "trillion "), {1e9, "billion "}, {1e6, "million "}, {1e3, "thousand "}})
      if (size >= factor) return {factor, word + std::string(unit)};
  struct Prefix {
    double factor;
    const char* name;
  };
  constexpr Prefix kPrefixes[] = {{1e15, "P"}, {1e12, "T"}, {1e9, "G"},  {1e6, "M"}, {1e3, "k"},
                                  {1, ""},     {1e-3, "m"}, {1e-6, "u"}, {1e-9, "n"}};
  for (const Prefix& p : kPrefixes)
    if (size >= p.factor && (unit != "s" || p.factor <= 1) && (unit != "B" || p.factor >= 1))
      return {p.factor, std::string(p.name) + (scales || unit.empty() || p.factor == 1 ? "" : " ") + std::string(unit)};
  return {1, std::string(unit)};
}

std::string tick_text(double value, const AxisUnit& unit) {
  const double v = value / unit.factor;
  if (std::fabs(v) < 1e-12) return "0";
  if (std::fabs(v) >= 1000 && std::fabs(v) < 1e15) return results::pretty(std::round(v), "");
  return fmt::format("{:.4g}", v);
}

std::string brief(double value) {
  if (!std::isfinite(value)) return "?";
  const double size = std::fabs(value);
  for (const auto& [factor, name] : {std::pair(1e12, " trillion"), {1e9, " billion"}, {1e6, " million"}})
    if (size >= factor * 0.9995) return fmt::format("{:.3g}{}", value / factor, name);
  return size >= 1000 ? results::pretty(std::round(value), "") : fmt::format("{:.3g}", value);
}
}  // namespace moesim::pages
