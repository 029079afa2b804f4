#include "routing/laws/hot.h"
#include "routing/laws/law.h"

namespace moesim::routing {
namespace {
struct HotExperts : LawBase {
  struct Params {
    int count = 1;
    double factor = 4;
    static void fields(auto& f, auto& p) {
      f("count", p.count, "hot experts of a layer, chosen by chance");
      f("factor", p.factor, "load of a hot expert over the mean");
    }
  };
  Params p;
  HotExperts(Params params, const TrafficContext& context) : LawBase(context), p(params) {
    check_hot(p.count, p.factor, c);
  }
  void weights(int layer, std::int64_t epoch, std::span<double> out) const {
    heat(some_experts(p.count, "hot_experts", layer, epoch), p.factor, out);
  }
};
}  // namespace

TrafficStrategy hot_experts_traffic() {
  return law_strategy<HotExperts>("hot_experts", "a few experts take several times the mean");
}
}  // namespace moesim::routing
