#include "routing/laws/law.h"

namespace moesim::routing {
namespace {
struct ZeroLoad : LawBase {
  struct Params {
    double share = 0.25;
    static void fields(auto& f, auto& p) { f("share", p.share, "share of a layer's experts that no token chooses"); }
  };
  Params p;
  int cold = 0;
  ZeroLoad(Params params, const TrafficContext& context) : LawBase(context), p(params) {
    cold = int(p.share * c.gate.experts + 0.5);
    if (!(p.share >= 0) || c.gate.experts - cold < c.gate.top_k)
      refuse_law("share", fmt::format("expected 0 to {:.4g}, so that top-k experts remain, got {}",
                                      1 - double(c.gate.top_k) / c.gate.experts, p.share));
  }
  void weights(int layer, std::int64_t epoch, std::span<double> out) const {
    for (const std::size_t e : some_experts(cold, "zero_load", layer, epoch)) out[e] = 0;
  }
};
}  // namespace

TrafficStrategy zero_load_traffic() { return law_strategy<ZeroLoad>("zero_load", "some experts get no token at all"); }
}  // namespace moesim::routing
