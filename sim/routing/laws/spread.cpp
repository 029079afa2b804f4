#include <algorithm>

#include "routing/laws/law.h"

namespace moesim::routing {
namespace {
struct Spread : LawBase {
  struct Params {
    static void fields(auto&, auto&) {}
  };
  Spread(Params, const TrafficContext& context) : LawBase(context) {}
  int spread_blocks() const {
    const int parts = c.group.nodes() > 1 ? c.group.nodes() : c.group.gpus;
    return std::min(parts, c.gate.experts);
  }
  void weights(int, std::int64_t, std::span<double>) const {}
};
}  // namespace

TrafficStrategy spread_traffic() {
  return law_strategy<Spread>(
      "spread", "balanced loads, each token's experts on as many nodes as it can reach: the most traffic");
}
}  // namespace moesim::routing
