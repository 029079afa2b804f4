#include "placement/planning/used_together.h"
#include "placement/policies/local_search.h"
#include "placement/scores/exchange_cost.h"

namespace moesim::placement {
namespace {
/// The best of several starts under the exchange's time, improved swap by swap.
class TrafficAware final : public Placement {
 public:
  struct Params {
    int swaps = 300;
    std::uint64_t seed = 1;
    PortRates rates;
    static void fields(auto& f, auto& p) {
      f("swaps", p.swaps, "tried a layer");
      f("seed", p.seed, "of the swaps tried");
      f("rates", p.rates, "of the closed form, used when no simulated network is at hand");
    }
  };
  explicit TrafficAware(Params p) : p_(p) {}
  std::vector<exchange::ExpertMap> place(const PlacementInput& input) const override {
    const LayerCost cost = input.cost ? input.cost
                                      : exchange_cost(sample_of(input, "traffic"), input.loads, input.problem, p_.rates,
                                                      input.replica_choice);
    std::vector<std::vector<exchange::ExpertMap>> starts;
    for (const char* start : {"greedy", "coactivation"})
      if ((input.sample && !input.sample->dealt) || std::string_view(start) != "coactivation")
        starts.push_back(placements().of_kind(start)->place(input));
    Random random(p_.seed, "traffic placement");
    std::vector<exchange::ExpertMap> out;
    for (std::size_t row = 0; row < input.loads.rows(); ++row) {
      std::size_t best = 0;
      double least = cost(row, starts[0][row]);
      for (std::size_t s = 1; s < starts.size(); ++s)
        if (const double c = cost(row, starts[s][row]); c < least) {
          least = c;
          best = s;
        }
      out.push_back(starts[best][row]);
      descend(out.back(), row, cost, p_.swaps, random);
    }
    return out;
  }

 private:
  Params p_;
};
}  // namespace

Strategy<Placement> traffic_aware() {
  return strategy<TrafficAware, Placement>("traffic",
                                           "least time of the simulated exchange and experts (needs a trace)");
}
}  // namespace moesim::placement
