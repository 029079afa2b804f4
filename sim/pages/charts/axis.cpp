#include "pages/charts/axis.h"

#include <array>

#include "pages/charts/figure.h"

namespace moesim::pages {
namespace {
constexpr double kApart = 8;  // px between two numbers

/// Where a text of `width` px ends that stands at `at` px by its anchor.
std::pair<double, double> ends_of(double at, double width, std::string_view anchor) {
  const double left = anchor.empty() ? at : anchor == "e" ? at - width : at - width / 2;
  return {left, left + width};
}
}  // namespace

Html ticks_html(const Scale& scale, const AxisUnit& unit, int y, int most, bool unit_behind) {
  Html out;
  std::array<double, 2> taken = {-kApart, -kApart};  // where the last number ends, narrow and wide
  const Scale in_unit{scale.from / unit.factor, scale.to / unit.factor, scale.logarithmic};  // round in minutes, too
  for (const double round : in_unit.ticks(most)) {
    const double t = round * unit.factor, at = scale.at(t);
    const std::string_view anchor = at < 0.08 ? "" : at > 0.92 ? "e" : "m";
    const std::string text = tick_text(t, unit) + (unit_behind && !unit.name.empty() ? " " + unit.name : "");
    std::array<bool, 2> fits{};
    for (std::size_t i = 0; i < 2; ++i) {
      const double width = i == 0 ? kNarrow : kWide;
      const auto [left, right] = ends_of(at * width, double(letters(text)) * kLetter, anchor);
      fits[i] = left >= taken[i] + kApart;
      if (fits[i]) taken[i] = right;
    }
    out += html("<line x1=\"{0}\" x2=\"{0}\" y1=\"{1}\" y2=\"{2}\" class=\"axis\"/>", percent(at), y, y + 4);
    if (fits[1])
      out += html("<text x=\"{}\" y=\"{}\" class=\"t {}{}\">{}</text>", percent(at), y + 18, anchor,
                  fits[0] ? "" : " wide", text);
  }
  return out;
}

Html guides_html(std::span<const Guide> at_x, std::span<const Guide> at_y, const Scale& across, const Scale& up,
                 int top, int height) {
  Html out;
  int line = 12;
  for (const Guide& g : at_x) {
    const double at = across.at(g.value);
    out += html(
        "<line x1=\"{0}\" x2=\"{0}\" y1=\"{1}\" y2=\"{2}\" class=\"limit\"/><text x=\"{0}\" y=\"{3}\" "
        "class=\"lim {4}\">{5}</text>",
        percent(at), line + 2, top + height, line, at > 0.5 ? "e" : "", g.label);
    line += 16;
  }
  for (const Guide& g : at_y) {
    out += html(
        "<line x1=\"0\" x2=\"100%\" y1=\"{0}\" y2=\"{0}\" class=\"limit\"/><text x=\"100%\" y=\"{1}\" "
        "class=\"lim e\">{2}</text>",
        coordinate(top + (1 - up.at(g.value)) * height), line, g.label);
    line += 16;
  }
  return out;
}
}  // namespace moesim::pages
