#include "placement/planning/packing.h"
#include "placement/planning/partition.h"
#include "placement/planning/used_together.h"

namespace moesim::placement {
namespace {
/// Experts that tokens use together in a layer share a node, so that a token visits fewer nodes.
class CoActivation final : public Placement {
 public:
  struct Params {
    double tolerance = 0.1;
    static void fields(auto& f, auto& p) {
      f("tolerance", p.tolerance, "share by which a node's load may exceed the mean");
    }
  };
  explicit CoActivation(Params p) : p_(p) {}
  std::vector<exchange::ExpertMap> place(const PlacementInput& input) const override {
    const RoutingSample& sample = sample_of(input, "coactivation");
    const int per_part = input.problem.nodes > 1 ? input.problem.gpus_per_node() : 1;  // one node: its GPUs
    const Parts parts = parts_of(input.problem, per_part);
    std::vector<exchange::ExpertMap> out;
    for (std::size_t row = 0; row < input.loads.rows(); ++row) {
      const Copies copies = copies_of(input.loads.row(row), input.problem);
      const UseGraph graph = use_graph(copies, together(sample, row, input.loads.experts));
      const std::vector<int> part =
          partition(graph, {copies.weight, parts.room, parts.speed, copies.expert, {}, p_.tolerance});
      out.push_back(place_in_parts(copies, part, input.problem, per_part));
      separate_copies(out.back());
    }
    return out;
  }

 private:
  /// Two copies are used together as often as their experts, shared evenly among all pairs of copies.
  static UseGraph use_graph(const Copies& copies, std::span<const double> pairs) {
    const std::size_t experts = copies.count.size();
    UseGraph graph(copies.expert.size());
    for (std::size_t v = 0; v < copies.expert.size(); ++v)
      for (std::size_t w = 0; w < v; ++w) {
        const auto a = std::size_t(copies.expert[v]), b = std::size_t(copies.expert[w]);
        const double weight = pairs[a * experts + b] / (copies.count[a] * copies.count[b]);
        if (weight > 0) boost::add_edge(v, w, weight, graph);
      }
    return graph;
  }
  Params p_;
};
}  // namespace

Strategy<Placement> coactivation() {
  return strategy<CoActivation, Placement>("coactivation",
                                           "experts used together in a layer share a node (needs a trace)");
}
}  // namespace moesim::placement
