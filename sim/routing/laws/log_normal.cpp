#include "routing/laws/law.h"

namespace moesim::routing {
namespace {
struct LogNormal : LawBase {
  struct Params {
    double sigma = 0.75;  // Gini 0.40 and max/mean about 6 of 256: DeepSeek-V3 serving shows 0.33-0.45 and 5.6-8
    int every = 0;
    static void fields(auto& f, auto& p) {
      f("sigma", p.sigma, "standard deviation of the logarithm of the loads; 0.75 resembles DeepSeek-V3 serving");
      f("every", p.every, "steps after which the loads are drawn anew; 0 for never");
    }
  };
  Params p;
  LogNormal(Params params, const TrafficContext& context) : LawBase(context), p(params) {
    if (!(p.sigma >= 0 && p.sigma <= 5)) refuse_law("sigma", fmt::format("expected 0 to 5, got {}", p.sigma));
  }
  std::int64_t epoch(std::int64_t step) const { return p.every > 0 ? step / p.every : 0; }
  std::int64_t lasts() const { return std::max(0, p.every); }
  void weights(int layer, std::int64_t epoch, std::span<double> out) const {
    Random chance = random("log_normal", layer, epoch);
    for (double& w : out) w = chance.log_normal(0, p.sigma);
  }
};
}  // namespace

TrafficStrategy log_normal_traffic() {
  return law_strategy<LogNormal>("log_normal", "loads drawn from a log-normal distribution");
}
}  // namespace moesim::routing
