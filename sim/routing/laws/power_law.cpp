
#include "core/elementary.h"
#include "routing/laws/law.h"

namespace moesim::routing {
namespace {
struct PowerLaw : LawBase {
  struct Params {
    double exponent = 0.5;
    int every = 0;
    static void fields(auto& f, auto& p) {
      f("exponent", p.exponent, "the r-th hottest expert's load falls with r to this power");
      f("every", p.every, "steps after which the ranks are dealt anew; 0 for never");
    }
  };
  Params p;
  PowerLaw(Params params, const TrafficContext& context) : LawBase(context), p(params) {
    if (!(p.exponent >= 0 && p.exponent <= 5))
      refuse_law("exponent", fmt::format("expected 0 to 5, got {}", p.exponent));
  }
  std::int64_t epoch(std::int64_t step) const { return p.every > 0 ? step / p.every : 0; }
  std::int64_t lasts() const { return std::max(0, p.every); }
  void weights(int layer, std::int64_t epoch, std::span<double> out) const {
    double rank = 1;
    for (const std::size_t e : some_experts(c.gate.experts, "power_law", layer, epoch))
      out[e] = pow_of(rank++, -p.exponent);
  }
};
}  // namespace

TrafficStrategy power_law_traffic() {
  return law_strategy<PowerLaw>("power_law", "loads that fall with the rank to a power");
}
}  // namespace moesim::routing
