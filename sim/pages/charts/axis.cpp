#include "pages/charts/axis.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

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
  const Scale in_unit{scale.from / unit.factor, scale.to / unit.factor, scale.logarithmic};  // round in minutes, too
  struct Tick {
    double at = 0, shift = 0;  // px
    std::string text;
    std::string_view anchor = "m";
    std::pair<double, double> ends(double width) const {
      return ends_of(at * width + shift, double(letters(text)) * kLetter, anchor);
    }
  };
  std::vector<Tick> ticks;
  for (const double round : in_unit.ticks(most)) {
    const double t = round * unit.factor, at = scale.at(t);
    Tick& tick = ticks.emplace_back();
    tick.at = at, tick.text = tick_text(t, unit) + (unit_behind && !unit.name.empty() ? " " + unit.name : "");
    const double half = double(letters(tick.text)) * kLetter / 2;  // a number stays within the axis
    if (at * kNarrow < half)
      tick.anchor = "", tick.shift = -std::floor(at * kNarrow);
    else if ((1 - at) * kNarrow < half)
      tick.anchor = "e", tick.shift = std::floor((1 - at) * kNarrow);
  }
  struct Width {
    double width;
    std::string_view from_here;                               // the class of what is shown from this width on
    double taken = -std::numeric_limits<double>::infinity();  // where the last number ends
  };
  std::array widths = {Width{kNarrow, ""}, Width{kMiddle, " mid"}, Width{kWide, " wide"}};
  for (std::size_t n = 0; n < ticks.size(); ++n) {
    const Tick& tick = ticks[n];
    const Width* least = nullptr;  // where there is room for it, and for it in all that are wider
    for (Width& w : widths) {
      const auto [left, right] = tick.ends(w.width);
      const bool inner = n > 0 && n + 1 < ticks.size();
      const bool fits = left >= w.taken + kApart && (!inner || right + kApart <= ticks.back().ends(w.width).first);
      if (fits) w.taken = right;
      least = !fits ? nullptr : least == nullptr ? &w : least;
    }
    out += html("<line x1=\"{0}\" x2=\"{0}\" y1=\"{1}\" y2=\"{2}\" class=\"axis\"/>", percent(tick.at), y, y + 4);
    if (least != nullptr)
      out += html("<text x=\"{}\"{} y=\"{}\" class=\"t {}{}\">{}</text>", percent(tick.at),
                  tick.shift == 0 ? html("") : html(" dx=\"{}\"", coordinate(tick.shift)), y + 18, tick.anchor,
                  least->from_here, tick.text);
  }
  return out;
}

namespace {
constexpr std::size_t kShort = 3;  // letters of a word that stands over its line's middle

std::string_view anchor_of(const Guide& g, double at) { return letters(g.label) <= kShort ? "m" : at > 0.5 ? "e" : ""; }

/// A guide's word in a drawing of the least width, and in which line of words it stands.
struct Placed {
  double line = 0, left = 0, right = 0;  // px
  int row = 0;
};
/// Each in the highest line of words where it touches no other, nor is crossed; a new one below where there is none.
std::vector<Placed> place_words(std::span<const Guide> at_x, const Scale& across) {
  constexpr double kGap = 4;
  std::vector<Placed> out;
  int rows = 0;
  for (const Guide& g : at_x) {
    const double at = across.at(g.value);
    Placed p{at * kNarrow};
    std::tie(p.left, p.right) = ends_of(p.line, double(letters(g.label)) * kLetter, anchor_of(g, at));
    const auto free = [&](int row) {
      return std::ranges::none_of(out, [&](const Placed& o) {
        const bool touches = o.row == row && o.left < p.right + kGap && p.left < o.right + kGap;
        const bool crossed = o.row < row && o.line > p.left && o.line < p.right;
        return touches || crossed || (o.row > row && p.line > o.left && p.line < o.right);
      });
    };
    while (p.row < rows && !free(p.row)) ++p.row;
    rows = std::max(rows, p.row + 1);
    out.push_back(p);
  }
  return out;
}
}  // namespace

int guide_rows(std::span<const Guide> at_x, const Scale& across) {
  int rows = 0;
  for (const Placed& p : place_words(at_x, across)) rows = std::max(rows, p.row + 1);
  return rows;
}

Html guides_html(std::span<const Guide> at_x, std::span<const Guide> at_y, const Scale& across, const Scale& up,
                 int top, int height) {
  Html out;
  const std::vector<Placed> words = place_words(at_x, across);
  int line = 12;
  for (std::size_t i = 0; i < at_x.size(); ++i) {
    const Guide& g = at_x[i];
    const double at = across.at(g.value);
    const int y = 12 + 16 * words[i].row;
    out +=
        html("<line x1=\"{0}\" x2=\"{0}\" y1=\"{1}\" y2=\"{2}\" class=\"limit\"/>", percent(at), y + 2, top + height);
    if (!g.label.empty())
      out += html("<text x=\"{}\" y=\"{}\" class=\"lim {}\">{}</text>", percent(at), y, anchor_of(g, at), g.label);
    line = std::max(line, y + 16);
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
