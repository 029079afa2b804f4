#include "runs/sweeping/design.h"

namespace moesim::runs {
namespace {
class List final : public SweepDesign {
 public:
  struct Params {
    static void fields(auto&, auto&) {}
  };
  explicit List(Params) {}

  double count(std::span<const std::size_t> values) const override {
    for (std::size_t a = 1; a < values.size(); ++a)
      if (values[a] != values[0])
        throw ConfigError(fmt::format("[{}]", a),
                          fmt::format("a list takes the values of all axes side by side: expected {} as the first "
                                      "axis has, got {}",
                                      values[0], values[a]));
    return double(values[0]);
  }
  std::vector<std::vector<double>> places(std::span<const std::size_t> values) const override {
    std::vector<std::vector<double>> out;
    for (std::size_t i = 0; i < std::size_t(count(values)); ++i)
      out.emplace_back(values.size(), (double(i) + 0.5) / double(values[0]));
    return out;
  }
  bool takes_ranges() const override { return false; }
};
}  // namespace

Strategy<SweepDesign> list_design() {
  return strategy<List, SweepDesign>("list", "the first value of every axis, then the second of every axis, ...");
}
}  // namespace moesim::runs
