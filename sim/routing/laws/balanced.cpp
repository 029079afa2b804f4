#include "routing/laws/law.h"

namespace moesim::routing {
namespace {
struct Balanced : LawBase {
  struct Params {
    static void fields(auto&, auto&) {}
  };
  Balanced(Params, const TrafficContext& context) : LawBase(context) {}
  void weights(int, std::int64_t, std::span<double>) const {}
};
}  // namespace

TrafficStrategy balanced_traffic() { return law_strategy<Balanced>("balanced", "every expert as likely as any other"); }
}  // namespace moesim::routing
