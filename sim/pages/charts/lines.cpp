// Lines over one axis.
#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "pages/charts/axis.h"
#include "pages/charts/charts.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
constexpr double kMostShown = 1e100;  // a guide beyond is none of an axis
constexpr std::array<std::string_view, 5> kLooks = {"la", "lr", "li", "lp", "lx"};

/// The path through the points that are there; a new piece after each gap.
std::string path_of(const Lines& l, const std::vector<double>& y, const Scale& across, const Scale& up) {
  std::string d;
  bool drawing = false;
  for (std::size_t i = 0; i < l.x.size() && i < y.size(); ++i) {
    const bool here = std::isfinite(y[i]) && std::isfinite(l.x[i]);
    if (here)
      d += fmt::format("{}{} {}", drawing ? "L" : "M", coordinate(std::round(kStretch * across.at(l.x[i]))),
                       coordinate(std::round((1 - up.at(y[i])) * l.height * 10) / 10));
    drawing = here;
  }
  return d;
}

Scale range_of(const std::vector<double>& values) {
  Scale out{INFINITY, -INFINITY};
  for (const double v : values)
    if (std::isfinite(v)) out.from = std::min(out.from, v), out.to = std::max(out.to, v);
  if (!(out.to >= out.from)) out = {0, 1};
  return out;
}

Scale across_of(const Lines& l) {
  Scale out = range_of(l.x);
  for (const Guide& g : l.at_x) out.to = std::max(out.to, g.value * (l.logarithmic_x ? 1.1 : 1.0));
  if (l.logarithmic_x) return log_scale(out.from, out.to);
  if (!(out.to > out.from)) out.to = out.from + 1;
  return out;
}
Scale up_of(const Lines& l) {
  Scale all{l.top, l.top};
  bool any = l.top > 0;
  const auto take = [&](double low, double high) {
    all = any ? Scale{std::min(all.from, low), std::max(all.to, high)} : Scale{low, high};
    any = true;
  };
  for (const Lines::Series& s : l.series) {
    const Scale own = range_of(s.y);
    take(own.from, own.to);
  }
  for (const Guide& g : l.at_y) take(g.value, g.value);
  return round_scale(all.from, all.to, 4, l.from_zero);
}

Html grid_html(const Lines& l, const Scale& across, const Scale& up, const AxisUnit& ux, int top) {
  Html out;
  const int bottom = top + l.height;
  for (const double t : up.ticks(4)) {
    const std::string y = coordinate(bottom - up.at(t) * l.height);
    out += html("<line x1=\"0\" x2=\"100%\" y1=\"{0}\" y2=\"{0}\" class=\"{1}\"/>", y, t == up.from ? "axis" : "grid");
  }
  out += ticks_html(across, ux, bottom, 6);
  const std::string name =
      l.x_name + (ux.name.empty() ? "" : ", " + ux.name) + (l.logarithmic_x ? " (logarithmic)" : "");
  out += html("<text x=\"100%\" y=\"{}\" class=\"t e\">{}</text>", bottom + 36, name);
  return out;
}

/// Numbers of the upward axis, in a column of their own so that no line runs through them.
Html gutter_html(const Lines& l, const Scale& up, const AxisUnit& uy, int top) {
  Html out;
  for (const double t : up.ticks(4))
    out += html("<text x=\"100%\" dx=\"-8\" y=\"{}\" class=\"t e\">{}</text>",
                coordinate(top + (1 - up.at(t)) * l.height + 4), tick_text(t, uy));
  return html("<svg height=\"{}\" aria-hidden=\"true\">{}</svg>", top + l.height + 42, out);
}

/// Whether a line runs through a text of `width` px that ends at the right edge, with its foot at `y`.
bool is_crossed(const Lines& l, const Scale& across, const Scale& up, int top, double width, double y) {
  constexpr int kSteps = 8;  // between two points of a line
  constexpr double kAbove = 10, kBelow = 2;
  const double from = 1 - width / kWide;
  for (const Lines::Series& s : l.series)
    for (std::size_t i = 1; i < s.y.size() && i < l.x.size(); ++i) {
      if (!std::isfinite(s.y[i - 1]) || !std::isfinite(s.y[i]) || across.at(l.x[i]) < from) continue;
      const double x0 = across.at(l.x[i - 1]), x1 = across.at(l.x[i]), y0 = up.at(s.y[i - 1]), y1 = up.at(s.y[i]);
      for (int k = 0; k <= kSteps; ++k) {
        const double part = double(k) / kSteps, at = top + (1 - y0 - part * (y1 - y0)) * l.height;
        if (x0 + part * (x1 - x0) >= from && at > y - kAbove && at < y + kBelow) return true;
      }
    }
  return false;
}

/// Names at the ends of their lines, where each has room beside its own and no other; nothing where one has not.
std::optional<Html> names_html(const Lines& l, const Scale& across, const Scale& up, int top) {
  constexpr std::size_t kLongest = 24;  // letters
  constexpr double kTall = 15;          // px of a name
  struct End {
    double y;
    std::size_t series;
  };
  std::vector<End> ends;
  for (std::size_t s = 0; s < l.series.size(); ++s) {
    const std::vector<double>& y = l.series[s].y;
    std::size_t last = std::min(y.size(), l.x.size());
    while (last > 0 && !std::isfinite(y[last - 1])) --last;
    const std::size_t length = letters(l.series[s].name);
    if (last == 0 || across.at(l.x[last - 1]) < 0.9 || length == 0 || length > kLongest) return std::nullopt;
    ends.push_back({top + (1 - up.at(y[last - 1])) * l.height, s});
  }
  std::ranges::stable_sort(ends, {}, &End::y);
  const double highest = l.at_x.size() + l.at_y.size() > 0 ? top + 10.0 : 12.0;  // below the words of guides
  double taken = -kTall;
  Html out;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const double above = ends[i].y - 5, below = ends[i].y + kTall;
    const bool room = i + 1 == ends.size() || ends[i + 1].y - ends[i].y > kTall + 8;
    const double width = double(letters(l.series[ends[i].series].name)) * kLetter + 4;
    const auto crossed = [&](double at) { return is_crossed(l, across, up, top, width, at); };
    double y = above;
    if (above < highest || above - taken < kTall || crossed(above)) {
      if (!room || below - taken < kTall || below > top + l.height - 2 || crossed(below)) return std::nullopt;
      y = below;
    }
    taken = y;
    out += html("<text x=\"100%\" dx=\"-4\" y=\"{}\" class=\"halo e{}\">{}</text>", coordinate(y),
                ends[i].series == 0 ? " b a" : "", l.series[ends[i].series].name);
  }
  return out;
}

void fill_table(const Lines& l, Figure& out) {
  out.mark_is = MarkIs::cell;
  out.table.columns = {l.x_name};
  for (const Lines::Series& s : l.series) out.table.columns.push_back(s.name.empty() ? l.y_name : s.name);
  for (std::size_t i = 0; i < l.x.size(); ++i) {
    std::vector<Cell> row = {cell(l.x[i], l.x_unit)};
    for (const Lines::Series& s : l.series) row.push_back(cell(i < s.y.size() ? s.y[i] : NAN, l.y_unit));
    out.table.rows.push_back(std::move(row));
  }
  out.marks = 0;
  for (const Lines::Series& s : l.series)
    for (std::size_t i = 0; i < l.x.size() && i < s.y.size(); ++i) out.marks += std::isfinite(s.y[i]) ? 1u : 0u;
}
}  // namespace

Figure lines(const Lines& given) {
  Lines l = given;
  for (std::vector<Guide>* guides : {&l.at_x, &l.at_y})
    std::erase_if(*guides, [](const Guide& g) { return !std::isfinite(g.value) || std::fabs(g.value) > kMostShown; });
  Figure out;
  const Scale across = across_of(l), up = up_of(l);
  const AxisUnit ux = axis_unit(across.to, l.x_unit), uy = axis_unit(std::max(std::fabs(up.from), up.to), l.y_unit);
  const int top = 12 + 16 * std::max(guide_rows(l.at_x, across) + int(l.at_y.size()), int(l.rows_above));
  Html paths;
  std::vector<KeyEntry> key;
  const std::optional<Html> names =
      l.series.size() > 1 && !l.keyed ? names_html(l, across, up, top) : std::optional<Html>();
  for (std::size_t s = l.series.size(); s-- > 0;)  // the first stands above the others
    paths += html("<path d=\"{}\" class=\"ln {}\"/>", path_of(l, l.series[s].y, across, up), kLooks[s % kLooks.size()]);
  for (std::size_t s = 0; s < l.series.size(); ++s)
    if (!names && !l.series[s].name.empty() && (l.series.size() > 1 || l.keyed))
      key.push_back({l.series[s].name, std::array<std::string_view, 5>{"fa", "fr", "fi", "fp", "fx"}[s % 5]});
  const std::string y_name = l.y_name + (uy.name.empty() ? "" : ", " + uy.name);
  if (!key.empty()) out.chart += key_html(key);
  out.chart += html("<p class=\"note yn\">{}</p>", y_name);
  out.chart += html(
      "<div class=\"gut\">{}<svg class=\"map\" height=\"{}\" tabindex=\"0\" role=\"img\" aria-label=\"{}\" "
      "data-from=\"{}\" data-to=\"{}\" data-log=\"{}\" data-y=\"{}\">{}<svg class=\"area\" y=\"{}\" width=\"100%\" "
      "height=\"{}\" "
      "viewBox=\"0 0 10000 {}\" preserveAspectRatio=\"none\">{}</svg>{}{}</svg></div>",
      gutter_html(l, up, uy, top), top + l.height + 42, l.aria, fmt::format("{:.9g}", across.from),
      fmt::format("{:.9g}", across.to), across.logarithmic ? 1 : 0,
      std::ranges::any_of(l.series, [](const Lines::Series& s) { return !s.name.empty(); }) ? l.y_name : std::string(),
      grid_html(l, across, up, ux, top), top, l.height, l.height, paths,
      guides_html(l.at_x, l.at_y, across, up, top, l.height), names.value_or(Html()));
  fill_table(l, out);
  out.reads = "x";
  return out;
}
}  // namespace moesim::pages
