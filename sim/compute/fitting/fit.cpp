#include "compute/fitting/fit.h"

#include <algorithm>
#include <cmath>

#include "core/elementary.h"

namespace moesim::compute {
namespace {
using Point = std::vector<double>;
struct Vertex {
  Point x;
  double value;
};

Point along(const Point& from, const Point& to, double by) {
  Point out(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) out[i] = from[i] + by * (to[i] - from[i]);
  return out;
}
}  // namespace

std::vector<double> minimise(const std::function<double(const std::vector<double>&)>& f, std::vector<double> start,
                             double step, int evaluations) {
  int left = evaluations;
  const auto at = [&](Point x) {
    --left;
    const double value = f(x);
    return Vertex{std::move(x), value};
  };
  const auto better = [](const Vertex& a, const Vertex& b) { return a.value < b.value; };
  std::vector<Vertex> simplex{at(start)};
  for (std::size_t i = 0; i < start.size(); ++i) {
    Point x = start;
    x[i] += step;
    simplex.push_back(at(std::move(x)));
  }
  while (left > 0) {
    std::stable_sort(simplex.begin(), simplex.end(), better);
    double size = 0;
    for (std::size_t i = 0; i < start.size(); ++i)
      size = std::max(size, std::abs(simplex.back().x[i] - simplex.front().x[i]));
    if (size < 1e-6) break;
    Point centre(start.size());
    for (std::size_t v = 0; v + 1 < simplex.size(); ++v)
      for (std::size_t i = 0; i < start.size(); ++i) centre[i] += simplex[v].x[i] / double(start.size());
    Vertex& worst = simplex.back();
    const Vertex reflected = at(along(centre, worst.x, -1));
    if (reflected.value < simplex.front().value) {
      Vertex expanded = at(along(centre, worst.x, -2));
      worst = std::min(expanded, reflected, better);
    } else if (reflected.value < simplex[simplex.size() - 2].value) {
      worst = reflected;
    } else {
      Vertex inner = at(along(centre, reflected.value < worst.value ? reflected.x : worst.x, 0.5));
      if (inner.value < std::min(reflected.value, worst.value)) {
        worst = std::move(inner);
      } else {
        for (std::size_t v = 1; v < simplex.size(); ++v) simplex[v] = at(along(simplex[0].x, simplex[v].x, 0.5));
      }
    }
  }
  return std::min_element(simplex.begin(), simplex.end(), better)->x;
}

namespace {
double sum_of(const Point& residuals, double power) {
  double sum = 0;
  for (const double r : residuals) sum += pow_of(std::abs(r), power);
  return sum;
}

// Solves a x = b for a positive definite matrix, row-major, by Gauss' elimination; b becomes x.
void solve(std::vector<Point> a, Point& b) {
  const std::size_t n = b.size();
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = i + 1; j < n; ++j) {
      const double factor = a[j][i] / a[i][i];
      for (std::size_t k = i; k < n; ++k) a[j][k] -= factor * a[i][k];
      b[j] -= factor * b[i];
    }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) b[i] -= a[i][k] * b[k];
    b[i] /= a[i][i];
  }
}

struct Quadratic {
  std::vector<Point> matrix;  // J^T W J
  Point slope;                // J^T W r
};
Quadratic around(const std::function<Point(const Point&)>& f, const Point& x, const Point& r, double power) {
  constexpr double kStep = 1e-3;
  const std::size_t n = x.size();
  std::vector<Point> jacobian;
  for (std::size_t i = 0; i < n; ++i) {
    const double step = x[i] > 0.5 ? -kStep : kStep;
    Point moved = x;
    moved[i] += step;
    jacobian.push_back(f(moved));
    for (std::size_t k = 0; k < r.size(); ++k) jacobian[i][k] = (jacobian[i][k] - r[k]) / step;
  }
  Quadratic q{std::vector<Point>(n, Point(n)), Point(n)};
  for (std::size_t k = 0; k < r.size(); ++k) {
    const double weight = pow_of(std::max(std::abs(r[k]), 1e-3), power - 2);
    for (std::size_t i = 0; i < n; ++i) {
      q.slope[i] += weight * jacobian[i][k] * r[k];
      for (std::size_t j = 0; j < n; ++j) q.matrix[i][j] += weight * jacobian[i][k] * jacobian[j][k];
    }
  }
  return q;
}
}  // namespace

std::vector<double> descend(const std::function<std::vector<double>(const std::vector<double>&)>& f,
                            std::vector<double> x, double power, int evaluations) {
  const std::size_t n = x.size();
  Point r = f(x);
  double best = sum_of(r, power), damping = 1e-2;
  for (int left = evaluations - 1; left > 0;) {
    const Quadratic q = around(f, x, r, power);
    left -= int(n);
    const double before = best;
    for (int attempt = 0; attempt < 8 && best == before; ++attempt, --left) {
      std::vector<Point> matrix = q.matrix;
      Point step(n);
      for (std::size_t i = 0; i < n; ++i) {
        const bool held = (x[i] <= 0 && q.slope[i] > 0) || (x[i] >= 1 && q.slope[i] < 0);
        for (std::size_t j = 0; j < n && held; ++j) matrix[i][j] = matrix[j][i] = 0;
        matrix[i][i] = held ? 1 : q.matrix[i][i] * (1 + damping) + 1e-12;
        step[i] = held ? 0 : -q.slope[i];
      }
      solve(std::move(matrix), step);
      Point moved = x;
      for (std::size_t i = 0; i < n; ++i) moved[i] = std::clamp(x[i] + step[i], 0.0, 1.0);
      Point residuals = f(moved);
      const double sum = sum_of(residuals, power);
      damping *= sum < best ? 0.3 : 4;
      if (sum < best) x = std::move(moved), r = std::move(residuals), best = sum;
    }
    if (best > before * (1 - 1e-6)) break;
  }
  return x;
}
}  // namespace moesim::compute
