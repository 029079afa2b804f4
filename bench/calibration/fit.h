// Fitting a few positive parameters to measurements, and telling what is left of them.
#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "core/random.h"

namespace moesim::calibration {

/// Lowest mean absolute log error plus `weight_of_worst` times their 12-norm, which the few worst make, by random steps
/// along one or two axes whose length adapts.  errors: logarithms of model over measured.
inline std::vector<double> fit(std::vector<double> best,
                               const std::function<std::vector<double>(const std::vector<double>&)>& errors, int steps,
                               double weight_of_worst) {
  const auto cost = [&](const std::vector<double>& x) {
    double sum = 0, high = 0;
    const std::vector<double> all = errors(x);
    for (const double e : all) {
      sum += std::abs(e);
      high += std::pow(e * e, 6);
    }
    const double n = double(all.size());
    return sum / n + weight_of_worst * std::pow(high / n, 1.0 / 12);
  };
  Random random(1, "fit");
  std::vector<double> step(best.size(), 0.3);
  double least = cost(best);
  for (int i = 0; i < steps; ++i) {
    if (i % (steps / 4) == 0) std::ranges::fill(step, 0.3);  // start over from the best so far
    const auto axis = std::size_t(random.below(best.size())), other = std::size_t(random.below(best.size()));
    std::vector<double> next = best;
    next[axis] *= std::exp(random.normal() * step[axis]);
    if (i % 2 == 1) next[other] *= std::exp(random.normal() * step[other]);
    const double c = cost(next);
    if (c < least) {
      least = c;
      best = next;
      step[axis] = std::min(1.0, step[axis] * 1.6);
    } else {
      step[axis] = std::max(1e-3, step[axis] * 0.93);
    }
  }
  return best;
}

/// errors: logarithms of model over measured.
inline void residuals(std::string_view what, std::vector<double> errors) {
  for (double& e : errors) e = std::abs(std::exp(e) - 1);
  std::sort(errors.begin(), errors.end());
  if (errors.empty()) return;
  const auto above = errors.end() - std::ranges::upper_bound(errors, 0.15);
  fmt::print("{:<52} {:>5} rows  median {:>5.1f} %  90 % {:>5.1f} %  worst {:>5.1f} %  above 15 %: {}\n", what,
             errors.size(), 100 * errors[errors.size() / 2], 100 * errors[errors.size() * 9 / 10], 100 * errors.back(),
             above);
}

/// Who is fitted is decided before anything is: of the rows in range a seeded fifth is held out.
enum class Use { fitted, held_out, out_of_range };
inline Use draw_use(Random& random, bool in_range) {
  const bool held_out = random.below(5) == 0;  // drawn for every row, so that a range moves no other row
  return !in_range ? Use::out_of_range : held_out ? Use::held_out : Use::fitted;
}
template <class Row>
std::vector<Row> only(const std::vector<Row>& rows, Use use) {
  std::vector<Row> out;
  for (const Row& row : rows)
    if (row.use == use) out.push_back(row);
  return out;
}

inline std::vector<std::map<std::string, std::string>> read_csv(const std::string& file) {
  std::ifstream in(file);
  std::vector<std::map<std::string, std::string>> rows;
  std::vector<std::string> header;
  for (std::string line; std::getline(in, line);) {
    std::vector<std::string> cells;
    std::istringstream text(line);
    for (std::string cell; std::getline(text, cell, ',');) {
      if (!cell.empty() && cell.back() == '\r') cell.pop_back();
      cells.push_back(cell);
    }
    if (header.empty()) {
      header = cells;
      continue;
    }
    auto& row = rows.emplace_back();
    for (std::size_t i = 0; i < std::min(header.size(), cells.size()); ++i) row[header[i]] = cells[i];
  }
  return rows;
}

}  // namespace moesim::calibration
