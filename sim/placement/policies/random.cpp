#include "core/random.h"

#include <numeric>

#include "placement/planning/packing.h"

namespace moesim::placement {
namespace {
/// Every layer's experts dealt at random; the copies go to experts drawn without repeats.
class RandomPlacement final : public Placement {
 public:
  struct Params {
    std::uint64_t seed = 1;
    static void fields(auto& f, auto& p) { f("seed", p.seed, "of the shuffles"); }
  };
  explicit RandomPlacement(Params p) : p_(p) {}
  std::vector<exchange::ExpertMap> place(const PlacementInput& input) const override {
    Random random(p_.seed, "placement");
    std::vector<exchange::ExpertMap> out;
    for (std::size_t row = 0; row < input.loads.rows(); ++row) out.push_back(deal(input, random));
    return out;
  }

 private:
  static exchange::ExpertMap deal(const PlacementInput& input, Random& random) {
    exchange::ExpertMap map = empty_map(input.loads.experts, input.problem);
    std::vector<std::size_t> free;
    for (int g = 0; g < map.gpus; ++g)
      for (int i = 0; i < input.problem.slots_on(g); ++i) free.push_back(std::size_t(g * map.slots_per_gpu + i));
    random.shuffle(std::span(free));
    std::vector<int> experts(std::size_t(input.loads.experts));
    std::iota(experts.begin(), experts.end(), 0);
    for (std::size_t i = 0; i < free.size(); ++i) {
      if (i % experts.size() == 0) random.shuffle(std::span(experts));
      map.slot_to_expert[free[i]] = experts[i % experts.size()];
    }
    separate_copies(map);
    return map;
  }
  Params p_;
};
}  // namespace

Strategy<Placement> random_placement() {
  return strategy<RandomPlacement, Placement>("random", "shuffled layer by layer, copies to experts drawn at random");
}
}  // namespace moesim::placement
