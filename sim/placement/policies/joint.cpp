#include "placement/planning/hedged_search.h"
#include "placement/planning/outlook.h"

namespace moesim::placement {
namespace {
/// Traffic and balance together: nodes by what tokens use together, the GPUs of each node by what windows say of loads
/// to come.  Swaps inside a node change no token's nodes.
class Joint final : public Placement {
 public:
  struct Params {
    std::string nodes = "coactivation";
    double tolerance = 0.05;
    OutlookParams outlook;
    static void fields(auto& f, auto& p) {
      f("nodes", p.nodes, "what decides the nodes: coactivation (of a layer) or affinity (from layer to layer)");
      f("tolerance", p.tolerance, "share by which a node's load may exceed the mean");
      f("common", p.outlook.common, "as that of robust");
      f("drift", p.outlook.drift, "as that of robust");
    }
  };
  explicit Joint(Params p) : p_(p) {
    if (p_.nodes != "coactivation" && p_.nodes != "affinity")
      throw ConfigError("nodes", fmt::format("expected coactivation or affinity, got {}", p_.nodes));
    check_outlook(p_.outlook);
    nodes_ = placements().make(
        Config::from_option("nodes", fmt::format("{{kind: {}, tolerance: {}}}", p_.nodes, p_.tolerance)));
  }

  std::vector<exchange::ExpertMap> place(const PlacementInput& input) const override {
    std::vector<exchange::ExpertMap> out = nodes_->place(input);
    if (input.problem.nodes == 1) return out;  // it went by GPUs: a swap would part what belongs together
    const std::span<const Loads> given = input.windows.size() > 1 ? input.windows : std::span(&input.loads, 1);
    const std::vector<const Loads*> windows = in_order(given);
    const double common = common_part(windows, p_.outlook);
    HedgedSearch search(input.loads.experts, input.problem, {.apart = input.problem.gpus_per_node()});
    for (std::size_t row = 0; row < out.size(); ++row)
      out[row] = search.improved(std::move(out[row]), outlook(windows, row, common, p_.outlook));
    return out;
  }

 private:
  Params p_;
  std::unique_ptr<Placement> nodes_;
};
}  // namespace

Strategy<Placement> joint() {
  return strategy<Joint, Placement>(
      "joint", "nodes by what tokens use together, their GPUs balanced as robust does (needs a trace)");
}
}  // namespace moesim::placement
