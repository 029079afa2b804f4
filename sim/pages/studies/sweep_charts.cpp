// Charts of a sweep that lay its points along axes.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

#include "pages/charts/charts.h"
#include "pages/studies/common.h"
#include "pages/studies/sweep_points.h"
#include "results/metrics.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
constexpr std::size_t kMostLines = 5, kMostDrawn = 400, kMostAxes = 9, kMostWords = 12;

/// "4096" and "1.5 us" as numbers; nothing for words.
std::optional<double> number_of(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || !std::isfinite(value)) return std::nullopt;
  if (*end == '\0') return value;
  if (const std::optional<double> time = seconds_of(text)) return time;
  return bytes_of(text);
}

std::string last_part(const std::string& key) { return spaced(key.substr(key.rfind('.') + 1)); }

bool less_is_better(const std::string& figure) {
  const results::MetricDefinition* known = results::find_metric(figure);
  return known != nullptr && known->better == results::Better::less;
}

/// All values of a key as numbers; nothing if one is a word.
std::optional<std::vector<double>> numbers_of(const std::vector<Point>& points, std::size_t key) {
  std::vector<double> out;
  for (const Point& p : points) {
    const std::optional<double> v = key < p.values.size() ? number_of(p.values[key]) : std::nullopt;
    if (!v) return std::nullopt;
    out.push_back(*v);
  }
  return out;
}
}  // namespace

std::optional<Figure> along_numbers(const std::string& figure, const std::vector<std::string>& keys,
                                    const std::vector<Point>& points, const PointTable& table) {
  std::optional<std::vector<double>> at;
  std::size_t along = 0, most = 2;  // the key of most numbers, three at least
  for (std::size_t k = 0; k < keys.size(); ++k)
    if (const auto numbers = numbers_of(points, k))
      if (const std::size_t n = std::set<double>(numbers->begin(), numbers->end()).size(); n > most)
        most = n, along = k, at = numbers;
  if (!at) return std::nullopt;
  const std::set<double> x(at->begin(), at->end());
  Lines l;
  l.x.assign(x.begin(), x.end());
  l.logarithmic_x = l.x.front() > 0 && l.x.back() > 30 * l.x.front();
  l.x_name = last_part(keys[along]), l.height = 128;
  std::map<std::string, std::size_t> lines_of;
  for (std::size_t i = 0; i < points.size(); ++i) {
    std::string name;
    for (std::size_t k = 0; k < keys.size() && k < points[i].values.size(); ++k)
      if (k != along) name += (name.empty() ? "" : ", ") + points[i].values[k];
    const auto [place, added] = lines_of.emplace(name, l.series.size());
    if (added) l.series.push_back({name, std::vector<double>(l.x.size(), NAN)});
    const std::optional<Found> found = mean_of(points[i], figure, table);
    if (!found) continue;
    l.y_unit = is_share(figure) ? "" : found->unit;
    l.series[place->second].y[std::size_t(std::distance(x.begin(), x.find((*at)[i])))] =
        is_share(figure) ? 100 * found->value : found->value;
  }
  if (l.series.size() > kMostLines) return std::nullopt;
  l.y_name = spaced(figure) + (is_share(figure) ? ", %" : "");
  l.aria = fmt::format("{} along {}", spaced(figure), last_part(keys[along]));
  return lines(l);
}

namespace {
/// The axis of a key: numbers as they are, words in the order they come.
std::vector<double> axis_values(const std::vector<Point>& points, std::size_t key, Parallel::Axis& axis) {
  if (const auto numbers = numbers_of(points, key)) return *numbers;
  std::vector<double> out;
  for (const Point& p : points) {
    const std::string word = key < p.values.size() ? p.values[key] : "";
    const auto at = std::ranges::find(axis.words, word);
    out.push_back(double(at - axis.words.begin()));
    if (at == axis.words.end()) axis.words.push_back(word);
  }
  return out;
}
}  // namespace

void add_parallel(Page& page, const std::vector<std::string>& keys, const std::vector<Point>& points,
                  const std::vector<std::string>& figures, const PointTable& table, const Queries& q) {
  Parallel p;
  p.line_name = "point";
  const std::size_t shown = std::min(points.size(), kMostDrawn);
  for (std::size_t i = 0; i < shown; ++i) p.lines.push_back({points[i].label, {}, false});
  for (std::size_t k = 0; k < keys.size() && p.axes.size() + 1 < kMostAxes; ++k) {
    Parallel::Axis axis{last_part(keys[k]), "", false, {}};
    const std::vector<double> values = axis_values(points, k, axis);
    if (axis.words.size() > kMostWords) continue;
    p.axes.push_back(std::move(axis));
    for (std::size_t i = 0; i < shown; ++i) p.lines[i].values.push_back(values[i]);
  }
  const std::size_t of_keys = p.axes.size();
  std::size_t best = shown;
  std::string by;
  for (const std::string& name : figures) {
    if (p.axes.size() == kMostAxes) break;
    std::vector<double> values(shown, NAN);
    std::string unit;
    for (std::size_t i = 0; i < shown; ++i)
      if (const std::optional<Found> found = mean_of(points[i], name, table))
        values[i] = found->value, unit = found->unit;
    if (std::ranges::none_of(values, [](double v) { return std::isfinite(v); })) continue;
    const bool less = less_is_better(name);
    if (by.empty()) {
      by = spaced(name);
      for (std::size_t i = 0; i < shown; ++i)
        if (std::isfinite(values[i]) && (best == shown || (less ? values[i] < values[best] : values[i] > values[best])))
          best = i;
    }
    p.axes.push_back({spaced(name), unit, less, {}});
    for (std::size_t i = 0; i < shown; ++i) p.lines[i].values.push_back(values[i]);
  }
  if (p.axes.size() == of_keys) return;
  std::erase_if(p.lines, [&](const Parallel::Line& l) {  // those that did not run
    return std::ranges::none_of(std::span(l.values).subspan(of_keys), [](double v) { return std::isfinite(v); });
  });
  if (best < shown)
    for (Parallel::Line& l : p.lines) l.best = l.name == points[best].label;
  if (p.axes.size() < 3 || p.lines.size() < 2) return;
  p.aria = fmt::format("{} points through {} axes", p.lines.size(), p.axes.size());
  Section s;
  s.id = "parallel";
  s.question = "What goes with what?";
  s.answer = best < shown
                 ? html("{} leads in {}, and the blue line says what that costs", strong(points[best].label), by)
                 : html("{} points", p.lines.size());
  s.panels.push_back({"", "", parallel(p)});
  s.note = "A line a point. Up is better where a figure has a better side; every axis has its own scale.";
  if (points.size() > kMostDrawn) s.note += fmt::format(" The first {} of {} points.", kMostDrawn, points.size());
  s.sql = {q.sql("points"), q.sql("figures")};
  page.sections.push_back(std::move(s));
}
}  // namespace moesim::pages
