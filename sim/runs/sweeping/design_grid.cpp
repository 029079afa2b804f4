#include "runs/sweeping/design.h"

namespace moesim::runs {
namespace {
class Grid final : public SweepDesign {
 public:
  struct Params {
    static void fields(auto&, auto&) {}
  };
  explicit Grid(Params) {}

  double count(std::span<const std::size_t> values) const override {
    double out = 1;
    for (const std::size_t n : values) out *= double(n);
    return out;
  }
  std::vector<std::vector<double>> places(std::span<const std::size_t> values) const override {
    std::vector<std::vector<double>> out(std::size_t(count(values)), std::vector<double>(values.size()));
    for (std::size_t i = 0; i < out.size(); ++i)
      for (std::size_t a = values.size(), rest = i; a-- > 0; rest /= values[a])
        out[i][a] = (double(rest % values[a]) + 0.5) / double(values[a]);
    return out;
  }
  bool takes_ranges() const override { return false; }
  bool is_grid() const override { return true; }
};
}  // namespace

Strategy<SweepDesign> grid_design() {
  return strategy<Grid, SweepDesign>("grid", "every combination; the last axis varies fastest");
}
}  // namespace moesim::runs
