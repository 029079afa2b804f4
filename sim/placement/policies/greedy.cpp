#include <algorithm>
#include <functional>

#include "placement/planning/packing.h"

namespace moesim::placement {

exchange::ExpertMap longest_first(std::span<const double> load, const PlacementProblem& problem) {
  const std::vector<int> copies = copies_by_load(load, problem.slots, problem.gpus);
  struct Item {
    double load;
    int expert;
  };
  std::vector<Item> items;
  for (const int e : by_load(load))
    for (int i = 0; i < copies[std::size_t(e)]; ++i)
      items.push_back({load[std::size_t(e)] / copies[std::size_t(e)], e});
  std::ranges::stable_sort(items, std::greater(), &Item::load);
  Bins bins(int(load.size()), problem);
  for (const Item& item : items)
    bins.add(bins.lightest(item.expert, item.load, 0, problem.gpus), item.expert, item.load);
  exchange::ExpertMap map = bins.take();
  separate_copies(map);
  return map;
}

namespace {
/// Copies to the most loaded experts, then the heaviest copy first onto the GPU that would be done first.
class Greedy final : public Placement {
 public:
  struct Params {
    static void fields(auto&, auto&) {}
  };
  explicit Greedy(Params) {}
  std::vector<exchange::ExpertMap> place(const PlacementInput& input) const override {
    std::vector<exchange::ExpertMap> out;
    for (std::size_t row = 0; row < input.loads.rows(); ++row)
      out.push_back(longest_first(input.loads.row(row), input.problem));
    return out;
  }
};
}  // namespace

Strategy<Placement> greedy() {
  return strategy<Greedy, Placement>("greedy",
                                     "heaviest copy first onto the least loaded GPU (longest processing time)");
}
}  // namespace moesim::placement
