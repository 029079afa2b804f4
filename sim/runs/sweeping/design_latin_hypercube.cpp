#include <numeric>

#include "core/random.h"
#include "runs/sweeping/design.h"

namespace moesim::runs {
namespace {
/// Each of N equal parts of every axis has exactly one of N points.
/// Source: McKay, Beckman, Conover, "A comparison of three methods for selecting values of input variables", 1979.
class LatinHypercube final : public SweepDesign {
 public:
  using Params = DrawnDesign;
  explicit LatinHypercube(Params p) : p_(p) { check_drawn(p); }

  double count(std::span<const std::size_t>) const override { return double(p_.points); }
  std::vector<std::vector<double>> places(std::span<const std::size_t> values) const override {
    const auto n = std::size_t(p_.points);
    std::vector<std::vector<double>> out(n, std::vector<double>(values.size()));
    std::vector<std::size_t> part(n);
    for (std::size_t a = 0; a < values.size(); ++a) {
      Random random(p_.seed, fmt::format("sweep axis {}", a));
      std::iota(part.begin(), part.end(), std::size_t{0});
      random.shuffle<std::size_t>(part);
      for (std::size_t i = 0; i < n; ++i) out[i][a] = (double(part[i]) + random.uniform()) / double(n);
    }
    return out;
  }
  bool takes_ranges() const override { return true; }

 private:
  Params p_;
};
}  // namespace

Strategy<SweepDesign> latin_hypercube_design() {
  return strategy<LatinHypercube, SweepDesign>(
      "latin_hypercube", "drawn so that each of as many equal parts of every axis has one of the points");
}
}  // namespace moesim::runs
