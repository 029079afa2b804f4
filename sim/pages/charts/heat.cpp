// Maps: a cell's step of colour says its value.
#include <algorithm>
#include <array>
#include <cmath>

#include "pages/charts/axis.h"
#include "pages/charts/charts.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
constexpr std::array<double, 8> kRatios = {1 / 2.0, 1 / 1.5, 1 / 1.2, 1 / 1.05, 1.05, 1.2, 1.5, 2};
constexpr int kAboutOne = 9, kShare = 7, kLabel = 16;  // steps, steps, px

int step_of(const Heat& h, double v) {
  if (h.steps == Heat::Steps::about_one) return int(std::ranges::upper_bound(kRatios, v) - kRatios.begin());
  const double share = h.high > h.low ? (v - h.low) / (h.high - h.low) : 0;
  return std::clamp(int(share * kShare), 0, kShare - 1);
}
std::string look_of(const Heat& h, int step) {
  return fmt::format("{}{}", h.steps == Heat::Steps::about_one ? "v" : "q", step);
}

/// Blocks of columns that keep the largest, where there are too many cells.
Heat folded(const Heat& h) {
  const std::size_t rows = h.rows.size(), columns = h.columns.size();
  if (rows == 0 || rows * columns <= kMostCells) return h;
  const std::size_t block = (rows * columns + kMostCells - 1) / kMostCells;
  Heat out = h;
  out.columns.clear();
  for (std::size_t c = 0; c < columns; c += block)
    out.columns.push_back(fmt::format("{} to {}", h.columns[c], h.columns[std::min(c + block, columns) - 1]));
  out.values.assign(rows * out.columns.size(), NAN);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < columns; ++c) {
      double& kept = out.values[r * out.columns.size() + c / block];
      const double v = h.values[r * columns + c];
      if (std::isfinite(v) && !(kept >= v)) kept = v;
    }
  out.column_name += ", the largest of each block";
  return out;
}

/// One path a step of colour, neighbours of one step joined.
Html cells_html(const Heat& h, std::size_t& marks) {
  std::array<std::string, kAboutOne> paths;
  const std::size_t columns = h.columns.size();
  for (std::size_t r = 0; r < h.rows.size(); ++r)
    for (std::size_t c = 0; c < columns;) {
      const double v = h.values[r * columns + c];
      if (!std::isfinite(v)) {
        ++c;
        continue;
      }
      const int step = step_of(h, v);
      std::size_t end = c + 1;
      while (end < columns && std::isfinite(h.values[r * columns + end]) &&
             step_of(h, h.values[r * columns + end]) == step)
        ++end;
      paths[std::size_t(step)] += fmt::format("M{} {}h{}v1h-{}z", c, r, end - c, end - c);
      marks += end - c;
      c = end;
    }
  Html out;
  for (int step = 0; step < kAboutOne; ++step)
    if (!paths[std::size_t(step)].empty())
      out += html("<path d=\"{}\" class=\"{}\"/>", paths[std::size_t(step)], look_of(h, step));
  return html(
      "<svg class=\"area\" y=\"0\" width=\"100%\" height=\"{}\" viewBox=\"0 0 {} {}\" "
      "preserveAspectRatio=\"none\">{}<rect "
      "class=\"sel\" width=\"1\" height=\"1\" visibility=\"hidden\"/></svg>",
      int(h.rows.size()) * h.cell_height, columns, h.rows.size(), out);
}

Html numbers_html(const Heat& h) {
  Html out;
  const std::size_t columns = h.columns.size();
  for (std::size_t r = 0; r < h.rows.size(); ++r)
    for (std::size_t c = 0; c < columns; ++c)
      if (const double v = h.values[r * columns + c]; std::isfinite(v))
        out += html("<text x=\"{}\" y=\"{}\" class=\"m {}\">{}</text>", percent((double(c) + 0.5) / double(columns)),
                    coordinate((double(r) + 0.5) * h.cell_height + 5),
                    h.steps == Heat::Steps::share && step_of(h, v) >= 4 ? "inv" : "",
                    std::fabs(v) < 10 ? fmt::format("{:.2f}", v) : fmt::format("{:.3g}", v));
  return out;
}

/// Names of rows, thinned where they would touch.
Html row_names(const Heat& h, int height) {
  Html out;
  const int every = std::max(1, (kLabel + h.cell_height - 1) / h.cell_height);
  for (std::size_t r = 0; r < h.rows.size(); r += std::size_t(every))
    out += html("<text x=\"100%\" dx=\"-8\" y=\"{}\" class=\"t e\">{}</text>",
                coordinate((double(r) + 0.5) * h.cell_height + 5), h.rows[r]);
  return html("<svg height=\"{}\" aria-hidden=\"true\">{}</svg>", height, out);
}

/// Names of columns: all where numbers stand in the cells, else the first, the last and what fits between.
Html column_names(const Heat& h, int y) {
  Html out;
  const std::size_t n = h.columns.size();
  std::size_t widest = 1;
  for (const std::string& c : h.columns) widest = std::max(widest, letters(c));
  const double width = (double(widest) * kLetter + 10) / 88;  // a map is at least 88 px wide: three side by side
  const std::size_t most = h.numbers ? std::max<std::size_t>(1, n) : std::max<std::size_t>(2, std::size_t(2 / width));
  const std::size_t every = std::max<std::size_t>(1, (n + most - 1) / most);
  for (std::size_t c = 0; c < n; c += every) {
    const double at = (double(c) + 0.5) / double(n);
    out += html("<text x=\"{}\" y=\"{}\" class=\"t {}\">{}</text>", percent(at), y, "m", h.columns[c]);
  }
  out += html("<text x=\"100%\" y=\"{}\" class=\"t e\">{}</text>", y + 18, h.column_name);
  return out;
}

/// Along time, at round moments.
Html moments(const Heat& h, int y) {
  const AxisUnit unit = axis_unit(h.until, "s");
  Html out = ticks_html({0, h.until, false}, unit, y - 18, 6);
  return out += html("<text x=\"100%\" y=\"{}\" class=\"t e\">{}</text>", y + 18, h.column_name + ", " + unit.name);
}
}  // namespace

Figure heat(const Heat& given) {
  const Heat h = folded(given);
  Figure out;
  out.mark_is = MarkIs::cell;
  out.table.columns = {h.row_name};
  for (const std::string& c : h.columns) out.table.columns.push_back(c);
  for (std::size_t r = 0; r < h.rows.size(); ++r) {
    std::vector<Cell> row = {cell(h.rows[r])};
    for (std::size_t c = 0; c < h.columns.size(); ++c) {
      const double v = h.values[r * h.columns.size() + c];
      row.push_back(std::isfinite(v) ? Cell{fmt::format("{:.4g}", v), v} : Cell{});
    }
    out.table.rows.push_back(std::move(row));
  }
  const int below = int(h.rows.size()) * h.cell_height, height = below + 42;
  const Html cells = cells_html(h, out.marks);
  std::size_t widest = 1;
  for (const std::string& r : h.rows) widest = std::max(widest, letters(r));
  out.chart = html(
      "<p class=\"note yn\">{}</p><div class=\"gut{}\">{}<svg class=\"map\" height=\"{}\" tabindex=\"0\" role=\"img\" "
      "aria-label=\"{}\" data-column=\"{}\" data-unit=\"{}\">{}{}{}</svg></div>",
      h.row_name, widest > 5 ? " wider" : "", row_names(h, height), height, h.aria, h.column_name,
      h.steps == Heat::Steps::about_one ? " x the mean"
      : h.unit.empty()                  ? ""
                                        : " " + h.unit,
      cells, h.numbers ? numbers_html(h) : html(""),
      h.until > 0 ? moments(h, below + 18) : column_names(h, below + 18));
  out.reads = "cells";
  return out;
}

Html about_one_key(std::string_view what) {
  Html inner;
  for (int step = 0; step < kAboutOne; ++step)
    inner += html("<rect x=\"{}\" width=\"{}\" height=\"12\" class=\"v{}\"/>", percent(step / double(kAboutOne)),
                  percent(1 / double(kAboutOne)), step);
  for (std::size_t i = 0; i < kRatios.size(); ++i)
    inner += html("<text x=\"{}\" y=\"28\" class=\"t m\">{}</text>", percent(double(i + 1) / kAboutOne),
                  fmt::format("{:.3g}", kRatios[i]));
  return html("<svg class=\"scale\" height=\"32\" aria-hidden=\"true\">{}</svg><p class=\"note\">{}</p>", inner, what);
}
}  // namespace moesim::pages
