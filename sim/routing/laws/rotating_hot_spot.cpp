#include "routing/laws/hot.h"
#include "routing/laws/law.h"

namespace moesim::routing {
namespace {
struct RotatingHotSpot : LawBase {
  struct Params {
    int count = 1, every = 1, stride = 1;
    double factor = 4;
    static void fields(auto& f, auto& p) {
      f("count", p.count, "neighbouring experts that are hot together");
      f("factor", p.factor, "load of a hot expert over the mean");
      f("every", p.every, "steps after which the spot moves on");
      f("stride", p.stride, "experts by which it moves");
    }
  };
  Params p;
  RotatingHotSpot(Params params, const TrafficContext& context) : LawBase(context), p(params) {
    check_hot(p.count, p.factor, c);
    if (p.every < 1) refuse_law("every", fmt::format("expected at least 1 step, got {}", p.every));
    if (p.stride < 1) refuse_law("stride", fmt::format("expected at least 1 expert, got {}", p.stride));
  }
  std::int64_t epoch(std::int64_t step) const { return step / p.every; }
  std::int64_t lasts() const { return p.every; }
  void weights(int, std::int64_t epoch, std::span<double> out) const {
    std::vector<std::size_t> hot;
    const std::size_t first = std::size_t(epoch) * std::size_t(p.stride);
    for (std::size_t i = 0; i < std::size_t(p.count); ++i) hot.push_back((first + i) % out.size());
    heat(hot, p.factor, out);
  }
};
}  // namespace

TrafficStrategy rotating_hot_spot_traffic() {
  return law_strategy<RotatingHotSpot>("rotating_hot_spot", "neighbouring hot experts that move on as steps pass");
}
}  // namespace moesim::routing
