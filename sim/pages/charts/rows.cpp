// Bars, one below the other: a grid of label, drawing and value.
#include <algorithm>
#include <cmath>

#include "pages/charts/axis.h"
#include "pages/charts/charts.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
constexpr int kRow = 24, kBar = 12;  // px

bool drawn(double v) { return std::isfinite(v) && v >= 0; }

Html limit_lines(const std::vector<Guide>& limits, const Scale& scale) {
  Html out;
  for (const Guide& g : limits)
    out += html("<line x1=\"{0}\" x2=\"{0}\" y1=\"0\" y2=\"{1}\" class=\"limit\"/>", percent(scale.at(g.value)), kRow);
  return out;
}

/// The limits' names, in the drawing's column above the first row; none overlap, as each has a line.
Html limit_names(const std::vector<Guide>& limits, const Scale& scale) {
  if (limits.empty()) return {};
  Html text;
  int y = 14;
  for (const Guide& g : limits) {
    const double at = scale.at(g.value);
    text += html("<text x=\"{}\" y=\"{}\" class=\"lim{}\">{}</text>", percent(at), y, at > 0.5 ? " e" : "", g.label);
    y += 16;
  }
  return html("<span></span><svg height=\"{}\" aria-hidden=\"true\">{}</svg><span></span>", y + 2, text);
}
Html rows_of(std::string_view aria, const Html& inner) {
  return html("<div class=\"rows\" role=\"group\" aria-label=\"{}\">{}</div>", aria, inner);
}
}  // namespace

Figure bars(const Bars& b) {
  Figure out;
  Scale scale{0, b.full};
  for (const Bar& bar : b.bars)
    if (b.full <= 0 && drawn(bar.to)) scale.to = std::max(scale.to, bar.to);
  for (const Guide& g : b.limits) scale.to = std::max(scale.to, g.value);
  if (!(scale.to > 0)) scale.to = 1;
  Html inner = limit_names(b.limits, scale);
  out.table.columns = {b.label_name, b.value_name};
  const bool aside = std::ranges::any_of(b.bars, [](const Bar& bar) { return !bar.aside.empty(); });
  if (aside) out.table.columns.push_back("");
  for (const Bar& bar : b.bars) {
    if (!drawn(bar.from) || !drawn(bar.to) || bar.to < bar.from) continue;
    const double from = scale.at(bar.from), to = scale.at(bar.to);
    const std::string tip = bar.label + ": " + bar.shown + (bar.aside.empty() ? "" : ", " + bar.aside);
    inner += html(
        "<span>{}</span><svg height=\"{}\" aria-hidden=\"true\"><rect width=\"100%\" y=\"6\" height=\"{}\" "
        "class=\"idle\"/><rect x=\"{}\" width=\"{}\" y=\"6\" height=\"{}\" class=\"mk {}\" data-tip=\"{}\"/>{}</svg>"
        "<span>{}{}</span>",
        breakable(bar.label), kRow, kBar, percent(from), percent(std::max(to - from, 0.0)), kBar, fill(bar.tone), tip,
        limit_lines(b.limits, scale), bar.shown,
        bar.aside.empty() ? html("") : html(" <span class=\"dim\">{}</span>", bar.aside));
    std::vector<Cell> row = {
        cell(bar.label), {b.unit.empty() ? bar.shown : results::pretty(bar.to - bar.from, b.unit), bar.to - bar.from}};
    if (aside) row.push_back(cell(bar.aside));
    out.table.rows.push_back(std::move(row));
    ++out.marks;
  }
  out.chart = rows_of(b.aria, inner);
  return out;
}

Figure stacks(const Stacks& s) {
  Figure out;
  out.mark_is = MarkIs::cell;
  Scale scale{0, s.full};
  for (const Stack& stack : s.stacks) {
    double sum = 0;
    for (const double p : stack.parts) sum += drawn(p) ? p : 0;
    if (s.full <= 0) scale.to = std::max(scale.to, sum);
  }
  for (const Guide& g : s.limits) scale.to = std::max(scale.to, g.value);
  if (!(scale.to > 0)) scale.to = 1;
  Html inner = limit_names(s.limits, scale);
  out.table.columns = {s.label_name};
  for (const auto& [name, tone] : s.parts) out.table.columns.push_back(name);
  for (const Stack& stack : s.stacks) {
    Html bar;
    double from = 0;
    std::vector<Cell> row = {cell(stack.label)};
    for (std::size_t p = 0; p < s.parts.size() && p < stack.parts.size(); ++p) {
      if (!drawn(stack.parts[p])) {
        row.push_back({});
        continue;
      }
      const double to = from + stack.parts[p], x = scale.at(from);
      const std::string shown = results::pretty(stack.parts[p], s.unit);
      bar += html("<rect x=\"{}\" width=\"{}\" y=\"4\" height=\"16\" class=\"mk gap {}\" data-tip=\"{}, {}: {}\"/>",
                  percent(x), percent(std::max(scale.at(to) - x, 0.0)), fill(s.parts[p].second), stack.label,
                  s.parts[p].first, shown);
      row.push_back({shown, stack.parts[p]});
      from = to;
      ++out.marks;
    }
    inner += html("<span>{}</span><svg height=\"{}\" aria-hidden=\"true\">{}{}</svg><span>{}</span>",
                  breakable(stack.label), kRow, bar, limit_lines(s.limits, scale), stack.shown);
    out.table.rows.push_back(std::move(row));
  }
  std::vector<KeyEntry> key;
  for (const auto& [name, tone] : s.parts) key.push_back({name, fill(tone)});
  out.chart = key_html(key);
  out.chart += rows_of(s.aria, inner);
  return out;
}

namespace {
/// The columns' names over their cells; letters with a key where names are too long for a telephone.
Html column_names(const Grid& g, Html& key) {
  std::size_t widest = 0;
  for (const std::string& c : g.columns) widest = std::max(widest, letters(c));
  const bool named = double(widest) * kLetter + 8 < kNarrow / double(g.columns.size());
  Html names;
  std::string meaning;
  for (std::size_t c = 0; c < g.columns.size(); ++c) {
    const std::string letter = fmt::format("{}{}", char('A' + int(c % 26)), c < 26 ? "" : fmt::to_string(c / 26));
    names += html("<text x=\"{}\" y=\"14\" class=\"t m\">{}</text>",
                  percent((double(c) + 0.5) / double(g.columns.size())), named ? g.columns[c] : letter);
    meaning += fmt::format("{}{}: {}", c == 0 ? "" : ", ", letter, g.columns[c]);
  }
  if (!named) key = html("<p class=\"note\">{}</p>", meaning);
  return html("<span class=\"q\">{}</span><svg height=\"{}\" aria-hidden=\"true\">{}</svg><span></span>", g.label_name,
              kRow, names);
}
}  // namespace

Figure grid(const Grid& g) {
  constexpr int kSteps = 7;
  Figure out;
  out.mark_is = MarkIs::cell;
  out.table.columns = {g.label_name};
  out.table.columns.insert(out.table.columns.end(), g.columns.begin(), g.columns.end());
  if (g.columns.empty()) return out;
  Html key, inner = column_names(g, key);
  const double width = 1 / double(g.columns.size());
  for (const Grid::Row& r : g.rows) {
    Html cells;
    std::vector<Cell> row = {cell(r.label)};
    for (std::size_t c = 0; c < g.columns.size(); ++c) {
      const double v = c < r.values.size() ? r.values[c] : NAN;
      row.push_back(std::isfinite(v) ? Cell{fmt::format("{:.3f}", v), v} : Cell{});
      if (!std::isfinite(v)) continue;
      const int step = std::clamp(int((v - g.low) / (g.high - g.low) * kSteps), 0, kSteps - 1);
      const std::string shown = fmt::format("{:.2f}", v);
      cells += html(
          "<rect x=\"{}\" width=\"{}\" height=\"{}\" class=\"mk gap q{}\" data-tip=\"{}, {}: {:.3f}\"/><text x=\"{}\" "
          "y=\"17\" "
          "class=\"m tip {}\">{}</text>",
          percent(double(c) * width), percent(width), kRow, step, r.label, g.columns[c], v,
          percent((double(c) + 0.5) * width), step >= 4 ? "inv" : "", shown);
      ++out.marks;
    }
    inner += html("<span>{}</span><svg height=\"{}\" aria-hidden=\"true\">{}</svg><span></span>", r.label, kRow, cells);
    out.table.rows.push_back(std::move(row));
  }
  out.chart = rows_of(g.aria, inner);
  out.chart += key;
  return out;
}
}  // namespace moesim::pages
