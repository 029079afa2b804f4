// Points: those worth considering named, the rest grey.
#include <algorithm>
#include <cmath>

#include "pages/charts/axis.h"
#include "pages/charts/charts.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
constexpr int kScatterHeight = 256, kLeast = 20;  // px; above the drawing at least
constexpr double kTall = 16;                      // px of a line of text

struct Box {
  double left, right, top, bottom;
  bool meets(const Box& o) const { return left < o.right && o.left < right && top < o.bottom && o.top < bottom; }
};
struct Point {
  double x, y;  // share, px
};

std::string_view look_of(Scatter::Look look) {
  switch (look) {
    case Scatter::Look::chosen:
      return "fa";
    case Scatter::Look::front:
      return "ring";
    case Scatter::Look::other:
      return "fr";
    case Scatter::Look::rejected:
      return "rej";
  }
  return "";
}

/// The answer and the front, from left to right.
std::vector<Point> front_of(const Scatter& s, const std::vector<Point>& at) {
  std::vector<Point> out;
  for (std::size_t i = 0; i < at.size(); ++i)
    if (s.dots[i].look == Scatter::Look::chosen || s.dots[i].look == Scatter::Look::front) out.push_back(at[i]);
  std::ranges::stable_sort(out,
                           [](const Point& a, const Point& b) { return std::pair(a.x, a.y) < std::pair(b.x, b.y); });
  return out;
}
/// The line through them as small boxes.
std::vector<Box> line_boxes(const std::vector<Point>& front, double width) {
  constexpr int kSteps = 64;  // between two points
  std::vector<Box> out;
  for (std::size_t i = 1; i < front.size(); ++i)
    for (int k = 0; k <= kSteps; ++k) {
      const double part = double(k) / kSteps, x = width * (front[i - 1].x + part * (front[i].x - front[i - 1].x)),
                   y = front[i - 1].y + part * (front[i].y - front[i - 1].y);
      out.push_back({x - 2, x + 2, y - 2, y + 2});
    }
  return out;
}

/// Names beside their points where they meet neither point, name nor edge; others have them in their tool-tip.
Html names_html(const Scatter& s, const std::vector<Point>& at, int top, double width, std::string_view when) {
  std::vector<Box> taken;
  for (const Point& p : at) taken.push_back({p.x * width - 5, p.x * width + 5, p.y - 5, p.y + 5});
  const std::vector<Box> line = s.joined ? line_boxes(front_of(s, at), width) : std::vector<Box>{};
  struct Place {
    double dx, dy;
    bool end;
  };
  constexpr Place kPlaces[] = {{9, 5, false},   {-9, 5, true},   {6, -9, false},   {-6, -9, true},
                               {6, 20, false},  {-6, 20, true},  {14, -18, false}, {-14, -18, true},
                               {14, 30, false}, {-14, 30, true}, {24, -8, false},  {-24, -8, true}};
  Html out;
  std::vector<std::size_t> order;  // the answer has its name before others take the room
  for (const Scatter::Look look : {Scatter::Look::chosen, Scatter::Look::front})
    for (std::size_t i = 0; i < at.size(); ++i)
      if (s.dots[i].look == look) order.push_back(i);
  for (const std::size_t i : order) {
    const Scatter::Dot& d = s.dots[i];
    const double length = double(letters(d.label)) * kLetter, x = at[i].x * width, y = at[i].y;
    const auto placed = [&](double dx, double dy, bool end, bool on_line) {
      const Box box{end ? x + dx - length : x + dx, end ? x + dx : x + dx + length, y + dy - kTall + 4, y + dy + 4};
      const auto meets = [&](const Box& b) { return b.meets(box); };
      if (box.left < 0 || box.right > width || box.top < top - kLeast || box.bottom > top + kScatterHeight)
        return false;
      if (std::ranges::any_of(taken, meets) || (!on_line && std::ranges::any_of(line, meets))) return false;
      taken.push_back(box);
      out += html("<text x=\"{}\" y=\"{}\" dx=\"{}\" dy=\"{}\" class=\"halo {} {} {}\">{}</text>", percent(at[i].x),
                  coordinate(y), dx, dy, end ? "e" : "", when, d.look == Scatter::Look::chosen ? "b a" : "", d.label);
      return true;
    };
    for (const bool on_line : {false, true})  // rather on no line
      if (std::ranges::any_of(kPlaces, [&](const Place& p) { return placed(p.dx, p.dy, p.end, on_line); })) break;
  }
  return out;
}

/// The names for each range of widths: reports/page/page.css shows those of the figure's.
Html all_names_html(const Scatter& s, const std::vector<Point>& at, int top) {
  constexpr std::pair<double, std::string_view> kRanges[] = {{kNarrow, "w1"}, {300, "w2"}, {kWide, "w3"}, {860, "w4"}};
  Html out;
  for (const auto& [least, when] : kRanges) out += names_html(s, at, top, least, when);
  return out;
}

/// A line through the answer and the front, from left to right.
Html front_html(const Scatter& s, const std::vector<Point>& at, int top) {
  const std::vector<Point> front = front_of(s, at);
  if (front.size() < 2) return {};
  std::string d;
  for (const Point& p : front)
    d += fmt::format("{}{} {}", d.empty() ? "M" : "L", coordinate(std::round(1e4 * p.x)), coordinate(p.y));
  const int height = top + kScatterHeight;
  return html(
      "<svg width=\"100%\" height=\"{0}\" viewBox=\"0 0 10000 {0}\" preserveAspectRatio=\"none\" "
      "aria-hidden=\"true\"><path d=\"{1}\" class=\"ln lp\"/></svg>",
      height, d);
}

Html axes_html(const Scatter& s, const Scale& across, const Scale& up, int top, Html& gutter) {
  Html out;
  const AxisUnit ux = axis_unit(across.to, s.x_unit), uy = axis_unit(up.to, s.y_unit);
  for (const double t : up.ticks(4)) {
    const double y = top + (1 - up.at(t)) * kScatterHeight;
    out += html("<line x1=\"0\" x2=\"100%\" y1=\"{0}\" y2=\"{0}\" class=\"{1}\"/>", coordinate(y),
                t == up.from ? "axis" : "grid");
    gutter += html("<text x=\"100%\" dx=\"-8\" y=\"{}\" class=\"t e\">{}</text>", coordinate(y + 4), tick_text(t, uy));
  }
  out += ticks_html(across, ux, top + kScatterHeight, 6);
  out += html("<text x=\"100%\" y=\"{}\" class=\"t e\">{}</text>", top + kScatterHeight + 36,
              s.x_name + (ux.name.empty() ? "" : ", " + ux.name));
  return out;
}
}  // namespace

Figure scatter(const Scatter& given) {
  Scatter s = given;
  std::erase_if(s.dots, [](const Scatter::Dot& d) { return !std::isfinite(d.x) || !std::isfinite(d.y); });
  Figure out;
  out.table.columns = {"", s.x_name, s.y_name, ""};
  for (std::vector<Guide>* guides : {&s.at_x, &s.at_y})
    std::erase_if(*guides, [](const Guide& g) { return !std::isfinite(g.value) || std::fabs(g.value) > 1e100; });
  double right = 0, most = 0;
  for (const Scatter::Dot& d : s.dots) right = std::max(right, d.x), most = std::max(most, d.y);
  for (const Guide& g : s.at_x) right = std::max(right, g.value);
  for (const Guide& g : s.at_y) most = std::max(most, g.value);
  const Scale across = round_scale(0, right * 1.02, 5, true), up = round_scale(0, most * 1.05, 4, true);
  const int top = kLeast + 16 * (guide_rows(s.at_x, across) + int(s.at_y.size()));
  std::vector<Point> at;
  for (const Scatter::Dot& d : s.dots) at.push_back({across.at(d.x), top + (1 - up.at(d.y)) * kScatterHeight});
  Html points, gutter;
  for (const bool above : {false, true})  // the front stands over the others
    for (std::size_t i = 0; i < s.dots.size(); ++i) {
      const Scatter::Dot& d = s.dots[i];
      if ((d.look == Scatter::Look::chosen || d.look == Scatter::Look::front) != above) continue;
      const std::string tip = fmt::format("{}\n{} {}, {} {}\n{}", d.name, results::pretty(d.x, s.x_unit), s.x_name,
                                          results::pretty(d.y, s.y_unit), s.y_name, d.aside);
      points +=
          html("<circle cx=\"{}\" cy=\"{}\" r=\"{}\" class=\"mk {}\"{} data-tip=\"{}\"/>", percent(at[i].x),
               coordinate(at[i].y), above ? 6 : 4, look_of(d.look), above ? html(" tabindex=\"0\"") : html(""), tip);
      out.table.rows.push_back({cell(d.name), cell(d.x, s.x_unit), cell(d.y, s.y_unit), cell(d.aside)});
      ++out.marks;
    }
  Html axes = axes_html(s, across, up, top, gutter);
  axes += guides_html(s.at_x, s.at_y, across, up, top, kScatterHeight);
  if (s.joined) axes += front_html(s, at, top);
  const int height = top + kScatterHeight + 42;
  const AxisUnit uy = axis_unit(up.to, s.y_unit);
  out.chart = html("<p class=\"note yn\">{}</p>", s.y_name + (uy.name.empty() ? "" : ", " + uy.name));
  out.chart += html(
      "<div class=\"gut\"><svg height=\"{0}\" aria-hidden=\"true\">{1}</svg><svg height=\"{0}\" role=\"group\" "
      "aria-label=\"{2}\">{3}{4}{5}</svg></div>",
      height, gutter, s.aria, axes, points, all_names_html(s, at, top));
  return out;
}
}  // namespace moesim::pages
