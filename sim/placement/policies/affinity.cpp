#include "placement/planning/packing.h"
#include "placement/planning/partition.h"
#include "placement/planning/used_together.h"

namespace moesim::placement {
namespace {
/// An expert sits on the node (or GPU) whose experts its tokens come from and go to in the neighbouring layers.
class Affinity final : public Placement {
 public:
  struct Params {
    double tolerance = 0.1;
    bool by_gpu = false;
    int sweeps = 2;
    static void fields(auto& f, auto& p) {
      f("tolerance", p.tolerance, "share by which a node's (or GPU's) load may exceed the mean");
      f("by_gpu", p.by_gpu, "keep tokens on a GPU rather than on a node");
      f("sweeps", p.sweeps, "over all layers, each layer placed anew between its neighbours");
    }
  };
  explicit Affinity(Params p) : p_(p) {}

  std::vector<exchange::ExpertMap> place(const PlacementInput& input) const override {
    const RoutingSample& sample = sample_of(input, "affinity");
    const int per_part = p_.by_gpu || input.problem.nodes == 1 ? 1 : input.problem.gpus_per_node();
    const Parts parts = parts_of(input.problem, per_part);
    std::vector<Layer> layers;
    for (std::size_t row = 0; row < input.loads.rows(); ++row)
      layers.push_back({copies_of(input.loads.row(row), input.problem), {}});
    for (int sweep = 0; sweep <= p_.sweeps; ++sweep)
      for (std::size_t row = 0; row < layers.size(); ++row) settle(layers, row, sample, parts);
    std::vector<exchange::ExpertMap> out;
    for (const Layer& layer : layers) {
      out.push_back(place_in_parts(layer.copies, layer.part, input.problem, per_part));
      separate_copies(out.back());
    }
    return out;
  }

 private:
  struct Layer {
    Copies copies;
    std::vector<int> part;  // of each copy; empty before the first sweep
  };
  using Pull = std::vector<std::vector<double>>;  // (copies, parts)

  /// Adds the pull of a placed neighbour. pairs: (experts, experts), [here][there] if `forward`, else [there][here].
  static void add_pull(Pull& pull, const Layer& here, const Layer& there, std::span<const double> pairs, bool forward) {
    const std::size_t experts = here.copies.count.size();
    for (std::size_t v = 0; v < pull.size(); ++v) {
      const auto e = std::size_t(here.copies.expert[v]);
      for (std::size_t w = 0; w < there.part.size(); ++w) {
        const auto f = std::size_t(there.copies.expert[w]);
        const double used = pairs[forward ? e * experts + f : f * experts + e];
        pull[v][std::size_t(there.part[w])] += used / (here.copies.count[e] * there.copies.count[f]);
      }
    }
  }
  static double kept(const Pull& pull, std::span<const int> part) {
    double sum = 0;
    for (std::size_t v = 0; v < part.size(); ++v) sum += pull[v][std::size_t(part[v])];
    return sum;
  }

  /// Places one layer between its placed neighbours; keeps the old places if they keep more.
  void settle(std::vector<Layer>& layers, std::size_t row, const RoutingSample& sample, const Parts& parts) const {
    Layer& here = layers[row];
    const int experts = int(here.copies.count.size());
    Pull pull(here.copies.expert.size(), std::vector<double>(parts.room.size(), 0));
    if (row > 0) add_pull(pull, here, layers[row - 1], transitions(sample, row - 1, experts), false);
    if (row + 1 < layers.size() && !layers[row + 1].part.empty())
      add_pull(pull, here, layers[row + 1], transitions(sample, row, experts), true);
    const UseGraph no_edges(here.copies.expert.size());
    std::vector<int> part =
        partition(no_edges, {here.copies.weight, parts.room, parts.speed, here.copies.expert, pull, p_.tolerance});
    if (!here.part.empty() && kept(pull, part) <= kept(pull, here.part)) return;
    here.part = std::move(part);
  }
  Params p_;
};
}  // namespace

Strategy<Placement> affinity() {
  return strategy<Affinity, Placement>(
      "affinity", "experts follow their tokens from layer to layer, so that tokens stay on a node (needs a trace)");
}
}  // namespace moesim::placement
