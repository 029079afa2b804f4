// From values to places on an axis, and the round numbers written beside it.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace moesim::pages {

/// An axis from `from` to `to`, linear or logarithmic.
struct Scale {
  double from = 0, to = 1;
  bool logarithmic = false;

  /// Where `value` lies: 0 at `from`, 1 at `to`, and there for what lies outside.
  double at(double value) const;
  /// At most `most` round values within, ascending, evenly spaced; powers of ten and their doubles and fives where the
  /// axis is logarithmic.
  std::vector<double> ticks(int most) const;
};

/// Round ends around [low, high]; both may be equal.  from_zero: 0 is on it.
Scale round_scale(double low, double high, int ticks, bool from_zero);
/// Logarithmic ends around the positive values [low, high].
Scale log_scale(double low, double high);

/// How values of an axis are written: over `factor`, `name` beside the axis alone.
struct AxisUnit {
  double factor = 1;
  std::string name;
};
/// unit: as stored with a metric.  largest: of the axis.
AxisUnit axis_unit(double largest, std::string_view unit);
/// A tick without its unit: "0.25", "1,500".
std::string tick_text(double value, const AxisUnit& unit);
/// Three significant digits and a word for headings: "62.9 million".
std::string brief(double value);
}  // namespace moesim::pages
