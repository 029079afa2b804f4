// Links shared max-min fairly at every instant: who is slowed by whom, hot spots, faults.
#include "core/check.h"
#include "network/fluid_links.h"
#include "network/network.h"

namespace moesim {
namespace {
class Fluid final : public Network {
 public:
  struct Params {
    NetworkOptions options;
    double tolerance = 0;
    static void fields(auto& f, auto& p) {
      f("calibration", p.options.calibration, "a network calibration's name, auto (by GPU) or none");
      f("faults", p.options.faults, "degraded and failed links");
      f("count_pairs", p.options.count_pairs, "keep bytes per pair of GPUs");
      f("sample_interval", p.options.sample_interval, "sample the links' use this often; 0: never");
      f("tolerance", p.tolerance, "largest error of a transfer's time, for speed; 0: exact");
    }
  };

  Fluid(const Params& p, Engine& engine, const Cluster& cluster)
      : Network(engine, cluster, p.options),
        links_(engine, topology().links(), checked(p.tolerance), p.options.sample_interval) {}

  void start(std::span<const Transfer> transfers, Receiver& receiver) override {
    for (const Transfer& t : transfers) {
      const double work = admit(t);
      const Route route = route_of(t);
      links_.start(route, t.bytes, work, topology().latency(route), receiver, t.tag);
    }
  }
  bool closed_form() const override { return false; }
  void set_share(LinkId link, double share) override {
    check(share > 0 && share <= 1, "a working link's share must lie in (0, 1], got {}", share);
    links_.set_capacity(link, topology().links()[link].capacity * share);
  }
  std::vector<LinkUse> link_use() override {
    links_.meter().settle(engine().now());
    return links_.meter().use();
  }
  std::vector<UtilisationSample> utilisation() override {
    links_.meter().settle(engine().now());
    return links_.meter().samples();
  }

 private:
  static double checked(double tolerance) {
    if (tolerance >= 0 && tolerance < 1) return tolerance;
    throw ConfigError(fmt::format("network.tolerance: must be at least 0 and below 1, got {}", tolerance));
  }
  FluidLinks links_;
};
}  // namespace

Strategy<Network, Engine&, const Cluster&> fluid_network() {
  return strategy<Fluid, Network, Engine&, const Cluster&>(
      "fluid", "links shared max-min fairly between the flows of each instant");
}
}  // namespace moesim
