// What ran when: a row each, pieces of time in it.
#include <algorithm>
#include <cmath>

#include "pages/charts/axis.h"
#include "pages/charts/charts.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
constexpr int kLane = 16, kPiece = 14;  // px
constexpr double kSeen = 30;            // of them: a piece this wide shows where it starts

Html names_html(const std::vector<std::string>& names, int height, bool right) {
  Html out;
  const std::size_t every = names.size() > 64 ? names.size() / 64 + 1 : 1;
  for (std::size_t r = 0; r < names.size(); r += every)
    out += html("<text x=\"100%\" dx=\"{}\" y=\"{}\" class=\"t e\">{}</text>", right ? 0 : -8, int(r) * kLane + 12,
                names[r]);
  return html("<svg height=\"{}\" aria-hidden=\"true\">{}</svg>", height, out);
}
}  // namespace

Figure gantt(const Gantt& g) {
  Figure out;
  const Scale across{g.from, g.to > g.from && std::isfinite(g.to) ? g.to : g.from + 1};
  std::vector<std::string> paths(g.kinds.size());
  std::string starts;
  out.table.columns = {g.row_name, "what", "of", "start", "end"};
  for (const Gantt::Piece& p : g.pieces) {
    if (!std::isfinite(p.start) || !std::isfinite(p.end) || p.row >= g.rows.size() || p.kind >= g.kinds.size())
      continue;
    if (p.end < across.from || p.start > across.to || p.end < p.start) continue;
    const double x = std::round(kStretch * across.at(p.start)) + 0.0,
                 width = std::round(kStretch * across.at(p.end)) - x;
    paths[p.kind] += fmt::format("M{} {}h{}v{}h-{}z", x, int(p.row) * kLane, width, kPiece, width);
    if (width >= kSeen) starts += fmt::format("M{} {}v{}", x, int(p.row) * kLane, kPiece);
    out.table.rows.push_back(
        {cell(g.rows[p.row]), cell(g.kinds[p.kind].first), cell(p.label), cell(p.start, "s"), cell(p.end, "s")});
    ++out.marks;
  }
  const int below = int(g.rows.size()) * kLane, height = below + 28;
  Html inner = html("<rect width=\"10000\" height=\"{}\" class=\"idle\"/>", below);
  std::vector<KeyEntry> key;
  for (std::size_t k = 0; k < g.kinds.size(); ++k) {
    if (paths[k].empty()) continue;
    inner += html("<path d=\"{}\" class=\"{}\"/>", paths[k], fill(g.kinds[k].second));
    key.push_back({g.kinds[k].first, fill(g.kinds[k].second)});
  }
  key.push_back({"no instruction", "idle"});
  inner += html("<path d=\"{}\" class=\"hair\"/>", starts);
  const AxisUnit unit = axis_unit(across.to, "s");
  const Html axis = ticks_html(across, unit, below + 2, 6, true);
  out.chart = key_html(key);
  out.chart += html("<p class=\"note yn\">{}{}</p>", g.row_name,
                    g.shown.empty() ? html("") : html("<span class=\"right\">{}</span>", g.shown_name));
  out.chart += html(
      "<div class=\"gut{}\">{}<svg class=\"map\" height=\"{}\" tabindex=\"0\" role=\"img\" aria-label=\"{}\" "
      "data-from=\"{}\" "
      "data-to=\"{}\"><svg class=\"area\" width=\"100%\" height=\"{}\" viewBox=\"0 0 10000 {}\" "
      "preserveAspectRatio=\"none\">{}</svg>"
      "{}</svg>{}</div>",
      g.shown.empty() ? "" : " both", names_html(g.rows, height, false), height, g.aria,
      fmt::format("{:.9g}", across.from), fmt::format("{:.9g}", across.to), below, below, inner, axis,
      g.shown.empty() ? html("") : names_html(g.shown, height, true));
  out.reads = "pieces";
  return out;
}
}  // namespace moesim::pages
