// Rows of ../shared/data/kernels_new that time sparse attention: their shapes, and what their dummy weights cost.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "formats/csv.h"

namespace moesim::test {

struct Errors {
  std::vector<double> all;
  void add(double predicted, double measured) { all.push_back(std::abs(predicted / measured - 1)); }
  double at(double share) {
    std::sort(all.begin(), all.end());
    return all.at(std::size_t(double(all.size()) * share));
  }
};

/// The rows' sequences, new and cached tokens each.
struct Shape {
  std::int64_t batch = 0, fresh = 0, cached = 0;
  double rows() const { return double(batch * fresh); }
  double keys() const { return double(cached + fresh); }
};
inline Shape shape_of(const formats::CsvTable& csv, std::size_t r) {
  return {csv.integer(r, "batch"), csv.integer(r, "new_tokens"), csv.integer(r, "cached_tokens")};
}

/// What equal scores cost the choice of the best, over clear winners: modules ran on dummy weights.  The nearest row of
/// the single kernels, by rows and keys; grown with the scores where these are many.
class EqualScores {
 public:
  /// is_flat: of a row of this choice, whether its scores are equal; none: the row is of something else.
  /// all_chosen: keys up to which nothing is left out.
  EqualScores(const formats::CsvTable& csv, const std::function<std::optional<bool>(std::size_t)>& is_flat,
              double all_chosen)
      : all_chosen_(all_chosen) {
    std::map<std::array<std::int64_t, 3>, std::array<double, 2>> both;
    for (std::size_t r = 0; r < csv.rows(); ++r) {
      const std::optional<bool> flat = is_flat(r);
      if (!flat) continue;
      const Shape s = shape_of(csv, r);
      both[{s.batch, s.fresh, s.cached}][*flat] = csv.number(r, "time_us");
    }
    for (const auto& [s, times] : both)
      if (times[0] > 0 && times[1] > 0) rows_.emplace_back(Shape{s[0], s[1], s[2]}, times[1] - times[0]);
  }
  double microseconds(const Shape& s) const {
    if (s.keys() <= all_chosen_) return 0;
    const auto distance = [&](const Shape& a) {
      return std::abs(std::log(a.rows() / s.rows())) + std::abs(std::log(a.keys() / s.keys()));
    };
    const auto nearest = std::ranges::min_element(
        rows_, [&](const auto& a, const auto& b) { return distance(a.first) < distance(b.first); });
    const double scores = s.rows() * s.keys(), of_nearest = nearest->first.rows() * nearest->first.keys();
    return std::max(0.0, nearest->second * (scores > 1e6 ? scores / of_nearest : 1));
  }

 private:
  double all_chosen_;
  std::vector<std::pair<Shape, double>> rows_;
};
}  // namespace moesim::test
