#include "placement/planning/packing.h"

namespace moesim::placement {
namespace {
/// Experts in order, GPU after GPU; further slots start over with expert 0, as serving systems lay them out at start.
class Contiguous final : public Placement {
 public:
  struct Params {
    static void fields(auto&, auto&) {}
  };
  explicit Contiguous(Params) {}
  std::vector<exchange::ExpertMap> place(const PlacementInput& input) const override {
    const PlacementProblem& p = input.problem;
    exchange::ExpertMap map = empty_map(input.loads.experts, p);
    int next = 0;
    for (int g = 0; g < p.gpus; ++g)
      for (int i = 0; i < p.slots_on(g); ++i)
        map.slot_to_expert[std::size_t(g * map.slots_per_gpu + i)] = next++ % input.loads.experts;
    return std::vector<exchange::ExpertMap>(input.loads.rows(), map);
  }
};
}  // namespace

Strategy<Placement> contiguous() {
  return strategy<Contiguous, Placement>("contiguous",
                                         "experts in order, GPU after GPU; copies start over with expert 0");
}
}  // namespace moesim::placement
