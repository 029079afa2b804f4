#include "placement/planning/packing.h"

namespace moesim::placement {
namespace {
/// Expert e on GPU e mod GPUs; the copies go on in the same order.
class RoundRobin final : public Placement {
 public:
  struct Params {
    static void fields(auto&, auto&) {}
  };
  explicit RoundRobin(Params) {}
  std::vector<exchange::ExpertMap> place(const PlacementInput& input) const override {
    const PlacementProblem& p = input.problem;
    const int experts = input.loads.experts;
    Bins bins(experts, p);
    int gpu = 0;
    for (int i = 0; i < p.slots; ++i) {
      const int expert = i % experts;
      // The next GPU in turn that has room and lacks the expert; if all that have room hold it, the next with room.
      int to = -1, roomy = -1;
      for (int k = 0; k < p.gpus && to < 0; ++k) {
        const int g = (gpu + k) % p.gpus;
        if (!bins.has_room(g)) continue;
        if (roomy < 0) roomy = g;
        if (!bins.holds(g, expert)) to = g;
      }
      if (to < 0) to = roomy;
      bins.add(to, expert, 0);
      gpu = (to + 1) % p.gpus;
    }
    exchange::ExpertMap map = bins.take();
    separate_copies(map);
    return std::vector<exchange::ExpertMap>(input.loads.rows(), map);
  }
};
}  // namespace

Strategy<Placement> round_robin() {
  return strategy<RoundRobin, Placement>("round_robin", "expert e on GPU e mod GPUs, copies in the same turn");
}
}  // namespace moesim::placement
