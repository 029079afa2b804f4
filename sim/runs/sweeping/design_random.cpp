#include "core/random.h"
#include "runs/sweeping/design.h"

namespace moesim::runs {
namespace {
class RandomDesign final : public SweepDesign {
 public:
  using Params = DrawnDesign;
  explicit RandomDesign(Params p) : p_(p) { check_drawn(p); }

  double count(std::span<const std::size_t>) const override { return double(p_.points); }
  /// An axis has a stream of its own: more points go on where fewer end, and one more axis moves no other.
  std::vector<std::vector<double>> places(std::span<const std::size_t> values) const override {
    std::vector<std::vector<double>> out(std::size_t(p_.points), std::vector<double>(values.size()));
    for (std::size_t a = 0; a < values.size(); ++a) {
      Random random(p_.seed, fmt::format("sweep axis {}", a));
      for (std::vector<double>& point : out) point[a] = random.uniform();
    }
    return out;
  }
  bool takes_ranges() const override { return true; }

 private:
  Params p_;
};
}  // namespace

Strategy<SweepDesign> random_design() {
  return strategy<RandomDesign, SweepDesign>("random", "points drawn at random, each axis for itself");
}
}  // namespace moesim::runs
