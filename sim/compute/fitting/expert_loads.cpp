#include "compute/fitting/expert_loads.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <span>

#include "core/elementary.h"

namespace moesim::compute {
std::vector<std::int64_t> draw_power_law(const ExpertShape& s, double alpha, Random& random) {
  const bool many = s.tokens * s.top_k > s.experts;
  const double low = many ? 1 : 0.01, high = many ? double(s.tokens) * 0.8 : 2, power = 1 - alpha;
  const auto n = std::size_t(s.experts);
  std::vector<double> weight(n);
  double sum = 0;
  for (double& w : weight) {
    w = pow_of((pow_of(high, power) - pow_of(low, power)) * random.uniform() + pow_of(low, power), 1 / power);
    sum += w;
  }
  std::vector<std::int64_t> rows(n);
  std::int64_t missing = s.tokens * s.top_k;
  for (std::size_t i = 0; i < n; ++i) missing -= rows[i] = std::llround(weight[i] / sum * double(s.tokens * s.top_k));
  // Rounding is made good at the ends: rows are added to the fullest experts and taken from the emptiest, equal ones in
  // any order.
  std::vector<std::size_t> order(n);
  for (std::size_t i = 0; i < n; ++i) order[i] = i;
  random.shuffle(std::span(order));
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return rows[a] > rows[b]; });
  for (std::size_t i = 0; missing > 0; ++i, --missing) ++rows[order[i % n]];
  for (std::size_t i = 0; missing < 0; ++i, ++missing) {
    std::int64_t& emptiest = rows[order[n - 1 - i % n]];
    --(emptiest > 0 ? emptiest : rows[order[0]]);
  }
  return rows;
}

std::vector<std::int64_t> most_loaded(const std::vector<std::int64_t>& rows, std::int64_t local) {
  std::size_t best = 0;
  std::int64_t most = -1;
  for (std::size_t first = 0; first < rows.size(); first += std::size_t(local)) {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < std::size_t(local); ++i) sum += rows[first + i];
    if (sum > most) most = sum, best = first;
  }
  return {rows.begin() + std::ptrdiff_t(best), rows.begin() + std::ptrdiff_t(best) + local};
}

double law_exponent(const formats::CsvTable& csv, std::size_t r, std::string_view column) {
  const std::string_view law = csv.text(r, column);
  const std::string_view text = law.substr(law.rfind('_') + 1);
  double out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  constexpr double kSteepest = 10;  // beyond, all rows go to one expert
  if (error != std::errc{} || end != text.data() + text.size() || !(out > 0 && out <= kSteepest) || out == 1)
    csv.fail(r, fmt::format("{}: expected power_law_ALPHA, ALPHA above 0, at most {} and not 1, got \"{}\"", column,
                            kSteepest, law));
  return out;
}
}  // namespace moesim::compute
