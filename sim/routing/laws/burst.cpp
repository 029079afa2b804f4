#include "routing/laws/hot.h"
#include "routing/laws/law.h"

namespace moesim::routing {
namespace {
struct Burst : LawBase {
  struct Params {
    int count = 1, period = 100, length = 10;
    double factor = 4;
    static void fields(auto& f, auto& p) {
      f("count", p.count, "experts that a burst makes hot, others each time");
      f("factor", p.factor, "their load over the mean during the burst");
      f("period", p.period, "steps from one burst to the next");
      f("length", p.length, "steps a burst lasts; balanced in between");
    }
  };
  Params p;
  Burst(Params params, const TrafficContext& context) : LawBase(context), p(params) {
    check_hot(p.count, p.factor, c);
    if (p.period < 1) refuse_law("period", fmt::format("expected at least 1 step, got {}", p.period));
    if (p.length < 0 || p.length > p.period)
      refuse_law("length", fmt::format("expected 0 to {} steps, got {}", p.period, p.length));
  }
  /// 0 between bursts, else the burst's number and one.
  std::int64_t epoch(std::int64_t step) const { return step % p.period < p.length ? step / p.period + 1 : 0; }
  std::int64_t lasts() const {
    return p.length > 0 ? std::gcd(p.length, p.period) : 0;
  }  // no turn begins or ends within
  void weights(int layer, std::int64_t epoch, std::span<double> out) const {
    if (epoch > 0) heat(some_experts(p.count, "burst", layer, epoch), p.factor, out);
  }
};
}  // namespace

TrafficStrategy burst_traffic() {
  return law_strategy<Burst>("burst", "balanced, but for some steps of each period with hot experts");
}
}  // namespace moesim::routing
