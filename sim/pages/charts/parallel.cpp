// Parallel coordinates: an upward axis a figure, a line a point through all of them.
#include <algorithm>
#include <cmath>

#include "pages/charts/axis.h"
#include "pages/charts/charts.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
constexpr int kTop = 24, kHeight = 240;  // px

struct OnAxes {
  std::vector<double> x;      // of each axis, share
  std::vector<Scale> scales;  // of each axis
};

/// The middle of each of as many columns as there are axes.
OnAxes placed(const Parallel& p) {
  OnAxes out;
  for (std::size_t a = 0; a < p.axes.size(); ++a) {
    out.x.push_back((double(a) + 0.5) / double(p.axes.size()));
    Scale s{INFINITY, -INFINITY};
    for (const Parallel::Line& l : p.lines)
      if (a < l.values.size() && std::isfinite(l.values[a]))
        s.from = std::min(s.from, l.values[a]), s.to = std::max(s.to, l.values[a]);
    if (!(s.to >= s.from)) s = {0, 1};
    if (s.to == s.from) s = {s.from - 1, s.to + 1};
    out.scales.push_back(s);
  }
  return out;
}

std::string letter_of(std::size_t axis) {
  return fmt::format("{}{}", char('A' + int(axis % 26)), axis < 26 ? "" : fmt::to_string(axis / 26));
}

/// What an axis shows at a value: words where it counts words.
std::string shown_at(const Parallel::Axis& axis, double value) {
  if (axis.words.empty()) return results::pretty(value, axis.unit);
  const double place = std::round(value);
  return place >= 0 && place < double(axis.words.size()) ? axis.words[std::size_t(place)] : "";
}

Html axes_html(const Parallel& p, const OnAxes& at) {
  Html out;
  for (std::size_t a = 0; a < p.axes.size(); ++a)
    out += html(
        "<line x1=\"{0}\" x2=\"{0}\" y1=\"{1}\" y2=\"{2}\" class=\"axis\"/><text x=\"{0}\" y=\"14\" class=\"m "
        "b\">{3}</text>",
        percent(at.x[a]), kTop, kTop + kHeight, letter_of(a));
  return out;
}

Html key_of(const Parallel& p, const OnAxes& at) {
  Html out;
  for (std::size_t a = 0; a < p.axes.size(); ++a) {
    const Parallel::Axis& axis = p.axes[a];
    const Scale& s = at.scales[a];
    const bool less = axis.less;
    std::string range = axis.words.empty() ? fmt::format("{} to {}", shown_at(axis, s.from), shown_at(axis, s.to)) : "";
    if (!axis.words.empty())
      for (const std::string& w : axis.words) range += (range.empty() ? "" : ", ") + w;
    out += html("<li><b>{}</b> {}: {}{}</li>", letter_of(a), axis.name, range, less ? ", the least at the top" : "");
  }
  return html("<ul class=\"list axes\">{}</ul>", out);
}
}  // namespace

Figure parallel(const Parallel& p) {
  Figure out;
  out.table.columns = {p.line_name};
  for (const Parallel::Axis& a : p.axes) out.table.columns.push_back(a.name);
  const OnAxes at = placed(p);
  Html back, front;
  for (const Parallel::Line& l : p.lines) {
    std::string d, tip = l.name;
    std::vector<Cell> row = {cell(l.name)};
    bool drawing = false;
    for (std::size_t a = 0; a < p.axes.size(); ++a) {
      const double v = a < l.values.size() ? l.values[a] : NAN;
      if (!std::isfinite(v)) {
        drawing = false;
        row.push_back({});
        continue;
      }
      const double up = at.scales[a].at(v);
      d += fmt::format("{}{} {}", drawing ? "L" : "M", coordinate(std::round(kStretch * at.x[a])),
                       coordinate(std::round((p.axes[a].less ? up : 1 - up) * kHeight * 10) / 10));
      drawing = true;
      const std::string shown = shown_at(p.axes[a], v);
      tip += fmt::format("\n{} {}", p.axes[a].name, shown);
      row.push_back({shown, p.axes[a].words.empty() ? std::optional(v) : std::nullopt});
    }
    (l.best ? front : back) +=
        html("<path d=\"{}\" class=\"mk ln {}\" data-tip=\"{}\"/>", d, l.best ? "la" : "lq", tip);
    out.table.rows.push_back(std::move(row));
    ++out.marks;
  }
  out.chart = html(
      "<svg height=\"{}\" role=\"img\" aria-label=\"{}\">{}<svg y=\"{}\" width=\"100%\" height=\"{}\" viewBox=\"0 0 "
      "10000 {}\" preserveAspectRatio=\"none\">{}{}</svg></svg>{}",
      kTop + kHeight + 8, p.aria, axes_html(p, at), kTop, kHeight, kHeight, back, front, key_of(p, at));
  return out;
}
}  // namespace moesim::pages
