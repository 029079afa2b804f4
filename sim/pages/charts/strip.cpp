// Dots on one axis.
#include <algorithm>
#include <cmath>

#include "pages/charts/axis.h"
#include "pages/charts/charts.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
constexpr int kLine = 16;  // px of a line of text

Html axis_html(const Scale& scale, const AxisUnit& unit, int y, int most) {
  Html out = html("<line x1=\"0\" x2=\"100%\" y1=\"{0}\" y2=\"{0}\" class=\"axis\"/>", y);
  return out += ticks_html(scale, unit, y, most, unit.name != "%");
}
}  // namespace

Figure dots(const Dots& d) {
  Figure out;
  std::vector<Dots::Dot> drawn;
  for (const Dots::Dot& dot : d.dots)
    if (std::isfinite(dot.value)) drawn.push_back(dot);
  std::ranges::stable_sort(drawn, {}, &Dots::Dot::value);
  out.table.columns = {"", "value"};
  if (drawn.empty()) return out;
  const double low = drawn.front().value, high = drawn.back().value, around = std::max((high - low) * 0.6, 0.0);
  const Scale scale = round_scale(low >= 0 ? std::max(0.0, low - around) : low - around, high + around, 4,
                                  low < 0.25 * high && low >= 0);
  const AxisUnit unit = axis_unit(std::max(std::fabs(scale.from), std::fabs(scale.to)), d.unit);
  const int top = kLine * int(drawn.size()), axis = top + 16;
  Html inner = axis_html(scale, unit, axis, 4);
  for (std::size_t i = 0; i < drawn.size(); ++i) {  // a line of text each, so that none meet however close the dots are
    const double at = scale.at(drawn[i].value);
    inner += html(
        "<circle cx=\"{0}\" cy=\"{1}\" r=\"6\" class=\"mk {2}\" data-tip=\"{3} {4}\"/><text x=\"{0}\" y=\"{5}\" "
        "class=\"b {6}\">{3} {4}</text>",
        percent(at), axis, drawn[i].hollow ? "fi" : "fa", drawn[i].label, drawn[i].shown, kLine * int(i) + 12,
        at < 0.3   ? ""
        : at > 0.7 ? "e"
                   : "m");
    out.table.rows.push_back({cell(drawn[i].label), {drawn[i].shown, drawn[i].value}});
    ++out.marks;
  }
  out.chart = html("<svg height=\"{}\" role=\"img\" aria-label=\"{}\">{}</svg>", axis + 28, d.aria, inner);
  return out;
}

Figure band(const Band& b) {
  Figure out;
  double most = std::max({b.median, b.p90, 0.1});
  for (const Dots::Dot& e : b.errors)
    if (std::isfinite(e.value)) most = std::max(most, std::min(std::fabs(e.value), 2.0));
  const Scale scale = round_scale(-100 * most, 100 * most, 4, true);
  out.table.columns = {"what", "error"};
  Html inner;
  const auto stretch = [&](double error, std::string_view look, const std::string& name) {
    if (!(error > 0) || !std::isfinite(error)) return;
    const double from = scale.at(-100 * error), to = scale.at(100 * error);
    const std::string shown = fmt::format("{:.1f} %", 100 * error);
    inner += html("<rect x=\"{}\" width=\"{}\" y=\"18\" height=\"12\" class=\"mk {}\" data-tip=\"{}: {} either way\"/>",
                  percent(from), percent(to - from), look, name, shown);
    out.table.rows.push_back({cell(name), {shown, error}});
    ++out.marks;
  };
  stretch(b.p90, "ff", "nine of ten single kernels");
  stretch(b.median, "fr", "half of the single kernels");
  inner += axis_html(scale, {1, "%"}, 30, 4);
  for (const Dots::Dot& e : b.errors) {
    if (!std::isfinite(e.value)) continue;
    inner += html("<circle cx=\"{}\" cy=\"24\" r=\"5\" class=\"mk fa\" data-tip=\"{}: {}\"/>",
                  percent(scale.at(100 * e.value)), e.label, e.shown);
    out.table.rows.push_back({cell(e.label), {e.shown, e.value}});
    ++out.marks;
  }
  inner += html("<text x=\"50%\" y=\"12\" class=\"t m\">error, %</text>");
  out.chart = html("<svg height=\"56\" role=\"img\" aria-label=\"{}\">{}</svg>", b.aria, inner);
  return out;
}
}  // namespace moesim::pages
