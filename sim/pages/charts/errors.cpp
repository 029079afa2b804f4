// How far values are off, a row each: a dot on one axis, before the band that single kernels leave.
#include <algorithm>
#include <cmath>

#include "pages/charts/axis.h"
#include "pages/charts/charts.h"

namespace moesim::pages {
namespace {
constexpr int kErrorRow = 24;  // px

/// Its ends and 0: there is no room for more on a telephone.
Html axis_html(const Scale& scale) {
  Html out;
  for (const auto& [value, anchor] : {std::pair(scale.from, ""), {0.0, "m"}, {scale.to, "e"}})
    out += html("<text x=\"{}\" y=\"18\" class=\"t {}\">{}</text>", percent(scale.at(value)), anchor,
                tick_text(value, {1, "%"}));
  return out;
}

/// Where 0 is, and the band around it.
Html ground(const Scale& scale, double median, double p90) {
  Html out;
  const auto stretch = [&](double error, std::string_view look) {
    if (!(error > 0) || !std::isfinite(error)) return;
    const double from = scale.at(-100 * error), to = scale.at(100 * error);
    out += html("<rect x=\"{}\" width=\"{}\" y=\"4\" height=\"16\" class=\"{}\"/>", percent(from), percent(to - from),
                look);
  };
  stretch(p90, "ff");
  stretch(median, "fr");
  return out +=
         html("<line x1=\"{0}\" x2=\"{0}\" y1=\"0\" y2=\"{1}\" class=\"axis\"/>", percent(scale.at(0)), kErrorRow);
}
}  // namespace

Figure errors(const Errors& e) {
  Figure out;
  double most = 0.1;
  for (const Errors::Row& r : e.rows)
    for (const double v : {r.error, r.p90})
      if (std::isfinite(v)) most = std::max(most, std::min(std::fabs(v), 1.0));
  const Scale scale = round_scale(-100 * most, 100 * most, 8, true);
  out.table.columns = {e.label_name, "error", "published", "simulated", "nine of ten kernels within"};
  Html inner = html("<span></span><svg height=\"24\" aria-hidden=\"true\">{}</svg><span class=\"q\">error, %</span>",
                    axis_html(scale));
  for (const Errors::Row& r : e.rows) {
    if (!std::isfinite(r.error)) continue;
    const std::string shown = fmt::format("{:+.1f} %", 100 * r.error);
    const bool beyond = std::fabs(r.error) > most;
    inner += html(
        "<span>{}</span><svg height=\"{}\" aria-hidden=\"true\">{}<circle cx=\"{}\" cy=\"12\" r=\"5\" class=\"mk {}\" "
        "data-tip=\"{}: {} simulated, {} published, {}\"/></svg><span>{}</span>",
        r.label, kErrorRow, ground(scale, r.median, r.p90), percent(scale.at(100 * r.error)), beyond ? "fx" : "fa",
        r.label, r.simulated, r.published, shown, shown);
    out.table.rows.push_back({cell(r.label),
                              {shown, r.error},
                              cell(r.published),
                              cell(r.simulated),
                              std::isfinite(r.p90) ? Cell{fmt::format("{:.1f} %", 100 * r.p90), r.p90} : Cell{}});
    ++out.marks;
  }
  out.chart = html("<div class=\"rows\" role=\"group\" aria-label=\"{}\">{}</div>", e.aria, inner);
  return out;
}
}  // namespace moesim::pages
