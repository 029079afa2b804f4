#include "compute/fit.h"

#include <algorithm>
#include <cmath>

namespace moesim {
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
}  // namespace moesim
